// What the methods of ImageService work with, and what several of them do.
import type { ServiceContext } from "../../../lib/daemon/types.ts";
import { failedPrecondition, notFound, withoutZooKeeper } from "../../../lib/rpc/errors.ts";
import type { Image } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { isZooKeeperError, type Session } from "../../../lib/zookeeper/types.ts";
import type { BuildEntry, ImageEntry, UploadEntry, View } from "../../../lib/zookeeper/view.ts";
import type { Board } from "../board.ts";
import type { BuildLogs } from "../build_log.ts";
import { uploadError } from "../setbacks.ts";
import { IMAGE_NAME, type ImageSource, toImage } from "./convert.ts";

export interface ImageApi {
  readonly context: ServiceContext;
  readonly board: Board;
  readonly logs: BuildLogs;
  readonly builderId: string;
}

/** The view, when it can be relied upon. @throws UNAVAILABLE while it may be old */
export function currentView({ context }: ImageApi): View {
  if (context.view.current) return context.view;
  throw withoutZooKeeper();
}

/** An image by name; null when neither the configuration nor ZooKeeper knows it. */
export function imageSource({ context, board }: ImageApi, name: string): ImageSource | null {
  const entry = context.view.image(name);
  const diskimage = context.config.diskimages.get(name);
  if (entry === undefined && diskimage === undefined) return null;
  const errors = [...new Set([...board.errors(name), ...recordedErrors(entry)])];
  return { name, entry, diskimage, outlook: board.outlook(name), errors };
}

/** The errors of builds and uploads, here or at another builder, that were the last of their kind. */
function recordedErrors(entry: ImageEntry | undefined): string[] {
  return (entry?.builds ?? []).flatMap(({ record, uploads }) => [
    ...(record?.state === "failed" && record.error !== null ? [record.error] : []),
    ...uploads.flatMap((upload) => {
      const error = upload.record?.state === "failed" ? upload.record.error : null;
      return error === null ? [] : [uploadError(upload.provider, error)];
    }),
  ]);
}

/** @throws NOT_FOUND */
export function requireImage(api: ImageApi, name: string): ImageSource {
  const source = imageSource(api, name);
  if (source === null) throw notFound("image", formatName(IMAGE_NAME, { image: name }));
  return source;
}

/** The image as it is after a write of ours, with what was decided on it then. */
export async function imageAfterWrite(api: ImageApi, name: string): Promise<Image> {
  await api.context.view.settled();
  // The reconciler has heard of the write by now, and decides in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  return toImage(requireImage(api, name));
}

/** Every image's name: those of the configuration and those of ZooKeeper. */
export function imageNames({ context }: ImageApi): Set<string> {
  const known = Array.from(context.view.images(), ({ image }) => image);
  return new Set([...context.config.diskimages.keys(), ...known]);
}

/** @throws NOT_FOUND */
export function requireBuild(api: ImageApi, image: string, build: string, name: string): BuildEntry {
  const entry = currentView(api)
    .image(image)
    ?.builds.find((candidate) => candidate.build === build);
  if (entry === undefined) throw notFound("build", name);
  return entry;
}

/** @throws NOT_FOUND */
export function requireUpload(
  api: ImageApi,
  key: { image: string; build: string; provider: string; upload: string },
  name: string,
): UploadEntry {
  const entry = currentView(api)
    .image(key.image)
    ?.builds.find(({ build }) => build === key.build)
    ?.uploads.find(({ provider, upload }) => provider === key.provider && upload === key.upload);
  if (entry === undefined) throw notFound("upload", name);
  return entry;
}

/**
 * Rewrites a document, again when somebody else was faster.
 *
 * @param change gives the new document; throws what stands against it; null leaves it as it is
 * @returns the document as it is then
 * @throws NOT_FOUND as `kind` and `name` when the znode is gone
 */
export async function rewrite<T>(
  session: Session,
  znode: { path: string; kind: string; name: string },
  { decode, encode }: { decode(data: Uint8Array): T; encode(record: T): Uint8Array },
  change: (record: T) => T | null,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { data, stat } = await session.get(znode.path);
      if (data.length === 0) throw notFound(znode.kind, znode.name);
      const record = decode(data);
      const changed = change(record);
      if (changed === null) return record;
      await session.set(znode.path, encode(changed), stat.version);
      return changed;
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) throw notFound(znode.kind, znode.name);
      if (!isZooKeeperError(error, "BAD_VERSION") || attempt >= 5) throw error;
    }
  }
}

/** FAILED_PRECONDITION: the image's configuration is not here. */
export function notConfigured({ context }: ImageApi, image: string) {
  const message = `image ${image} is not in ${context.config.file}: this builder cannot build it`;
  return failedPrecondition("IMAGE_NOT_CONFIGURED", message, { name: formatName(IMAGE_NAME, { image }) });
}
