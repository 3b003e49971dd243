// Which build is to be uploaded where.

import type { ProviderConfig, ProviderImageConfig } from "../../lib/config/types.ts";
import { formatsOf } from "../../lib/model/image.ts";
import { formatTime } from "../../lib/std/format_time.ts";
import type { BuildEntry, ImageEntry } from "../../lib/zookeeper/view.ts";
import {
  type BuilderConfig,
  buildName,
  type Facts,
  hindrance,
  isGivenUp,
  isTroubled,
  readyBuilds,
  type UploadAction,
  uploadKey,
  type Waiting,
  waiting,
} from "./plan.ts";

/** For each provider that lists the image: whether to upload the image's newest ready build. */
export function decideUploads(
  name: string,
  image: ImageEntry | undefined,
  config: BuilderConfig,
  facts: Facts,
): (UploadAction | Waiting)[] {
  const newest = readyBuilds(image)[0];
  const decisions: (UploadAction | Waiting)[] = [];
  for (const provider of config.providers) {
    const listed = provider.diskimages.find((candidate) => candidate.name === name);
    if (listed === undefined || !provider.managesImages) continue;
    if (newest === undefined) {
      const step = { key: uploadKey(name, "-", provider.name), image: name };
      decisions.push(waiting(step, "no-build", "there is no ready build to upload"));
      continue;
    }
    decisions.push(decideUpload(newest, provider, listed, config.file, facts));
  }
  return decisions;
}

/** A ready upload of this build at this provider. */
export function hasReadyUpload(build: BuildEntry, provider: string): boolean {
  return build.uploads.some((upload) => upload.provider === provider && upload.record?.state === "ready");
}

function decideUpload(
  build: BuildEntry,
  provider: ProviderConfig,
  listed: ProviderImageConfig,
  configFile: string,
  facts: Facts,
): UploadAction | Waiting {
  const step = { key: uploadKey(build.image, build.build, provider.name), image: build.image };
  const blocked = uploadGate(build, provider, listed, configFile, facts);
  if (blocked !== null) return waiting(step, blocked.rule, blocked.reason);
  const set = hindrance(step, facts) ?? troubleOf(step, provider.name, facts);
  if (set !== null) return set;
  if (build.uploading.has(provider.name)) {
    return waiting(step, "locked", "another builder is uploading it");
  }
  const reason = `${provider.name} has no ready upload of the newest build`;
  return { kind: "upload", ...step, build: build.build, provider: provider.name, reason };
}

/** A provider that takes no image at all is tried with one upload at a time, after a while that grows. */
function troubleOf(
  step: { readonly key: string; readonly image: string },
  provider: string,
  { troubles, now }: Facts,
): Waiting | null {
  const trouble = troubles.get(provider);
  if (!isTroubled(trouble) || trouble.until <= now) return null;
  const { images, error, until } = trouble;
  const reason = `the last uploads of ${images.size} images to ${provider} failed (${error}); the next is at ${formatTime(until)}`;
  return waiting(step, "set-back", reason, until);
}

function uploadGate(
  build: BuildEntry,
  provider: ProviderConfig,
  listed: ProviderImageConfig,
  configFile: string,
  facts: Facts,
): Pick<Waiting, "rule" | "reason"> | null {
  if (hasReadyUpload(build, provider.name)) {
    return { rule: "uploaded", reason: `${provider.name} has the newest build` };
  }
  if (isGivenUp(provider)) {
    return { rule: "given-up", reason: `${provider.name} is given up: max-servers of its pools is negative` };
  }
  if (listed.pause) {
    return { rule: "paused", reason: `uploads to ${provider.name} are paused in ${configFile}` };
  }
  if (!facts.served.has(provider.name)) {
    const problem = facts.unserved.get(provider.name) ?? "it was not started";
    return { rule: "not-served", reason: `provider ${provider.name} cannot be used here: ${problem}` };
  }
  const format = provider.imageFormat;
  const formats = build.record === null ? [] : formatsOf(build.record);
  if (!formats.includes(format)) {
    const made = formats.join(", ") || "nothing";
    return { rule: "no-format", reason: `${provider.name} takes ${format}; the newest build has ${made}` };
  }
  const files = facts.files.get(buildName(build.image, build.build));
  if (files?.formats.has(format)) return null;
  const place = files === undefined ? `at builder ${build.record?.builder ?? "unknown"}` : "deleted";
  return { rule: "not-here", reason: `the ${format} file of the newest build is ${place}` };
}
