// One image, ubuntu, at one cloud: what most tests of a builder set up, and what they look for.
import type { UploadEntry } from "../../lib/zookeeper/view.ts";
import type { BuilderCase, BuilderSetting, Observer } from "./builder.ts";
import type { FakeImageProvider } from "./fake_image_provider.ts";
import { until } from "./launcher.ts";

/** The image ubuntu, made at once unless `given` has another build command, for a cloud. */
export async function ubuntuAt(
  one: BuilderCase,
  cloud: FakeImageProvider,
  given: BuilderSetting["images"][string] = {},
): Promise<BuilderSetting> {
  const dibCommand = await one.plainCommand();
  return { images: { ubuntu: { dibCommand, ...given } }, providers: [{ driver: cloud, images: ["ubuntu"] }] };
}

/** The states of builds, or of uploads, in their order. */
export const states = (entries: readonly { record: { state: string } | null }[]) =>
  entries.map(({ record }) => record?.state);

/** The uploads of ubuntu that are ready, the newest first. */
export const readyUploads = (builder: Observer): UploadEntry[] =>
  builder
    .uploads("ubuntu")
    .filter(({ record }) => record?.state === "ready")
    .sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));

/** Waits for a ready upload of ubuntu. */
export const firstUpload = (builder: Observer, what = "the first upload"): Promise<UploadEntry> =>
  until(what, () => readyUploads(builder)[0]);
