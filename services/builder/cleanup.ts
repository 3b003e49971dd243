// Deletes what is no longer wanted. Every step may be repeated, by any builder.
import {
  type BuildRecord,
  decodeBuild,
  decodeUpload,
  encodeBuild,
  encodeUpload,
  type UploadRecord,
} from "../../lib/model/image.ts";
import {
  buildLockPath,
  buildPath,
  buildsLockPath,
  orderContenders,
  uploadLockPath,
  uploadPath,
} from "../../lib/model/paths.ts";
import { METADATA, type Provider } from "../../lib/provider/contract.ts";
import { seconds } from "../../lib/std/clock.ts";
import { deadline } from "../../lib/std/deadline.ts";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { subtree } from "../../lib/zookeeper/tree_operations.ts";
import { type HeldLock, isZooKeeperError, type Operation, type Session } from "../../lib/zookeeper/types.ts";
import { readHistory } from "./history.ts";
import { judgeStanding } from "./image_anchor.ts";
import { readZnode } from "./locked_write.ts";
import type {
  DeleteBuildAction,
  DeleteFilesAction,
  DeleteUploadAction,
  ExamineFilesAction,
  Outcome,
} from "./plan.ts";
import { providerOf, removeBuild, type Workshop } from "./workshop.ts";

/** How long a provider has to delete an image, in milliseconds. */
const DELETE_TIMEOUT = 600_000;

/** What a span tells of the build that it is about. */
const attributesOf = ({ image, build }: { readonly image: string; readonly build: string }) => ({
  "nodepool.image": image,
  "nodepool.build": build,
});

/** Deletes an upload at its provider, then its record. @throws {Error} when either has to be tried again */
export async function deleteUpload(workshop: Workshop, action: DeleteUploadAction): Promise<Outcome> {
  const { image, build, provider, upload } = action;
  const attributes = {
    ...attributesOf(action),
    "nodepool.provider": provider,
    "nodepool.upload": upload,
  };
  return await withSpan("image.delete_upload", { attributes }, async () => {
    const { context } = workshop;
    const path = uploadPath(image, build, provider, upload);
    const root = uploadLockPath(image, build, provider, upload);
    const { reached } = workshop;
    return await underLock(workshop, root, path, async (lock) => {
      reached("delete upload: lock taken");
      const found = await readZnode(context.session, path);
      if (found === null) return;
      const record = decodeUpload(found.data);
      let { version } = found;
      if (version !== action.version && record.state !== "deleting") return;
      if (record.state !== "deleting") {
        const data = encodeUpload(deletingUpload(record, seconds(context.clock)));
        await context.session.multi([lock.guard(), { kind: "set", path, data, version }]);
        version += 1;
      }
      reached("delete upload: condemned");
      await deleteAtProvider(workshop, action, record, lock);
      reached("delete upload: gone at the provider");
      // The lock's root goes with the record, so our place in it goes first.
      await context.session.multi([
        lock.guard(),
        lock.releaseOperation(),
        { kind: "delete", path: root, version: -1 },
        { kind: "delete", path, version },
      ]);
      lock.markReleased();
      reached("delete upload: record deleted");
      context.logger.info("upload deleted", { image, build, provider, upload, reason: action.reason });
    });
  });
}

/** The upload in state `deleting`, entered at `now` (seconds). */
export function deletingUpload(record: UploadRecord, now: number): UploadRecord {
  return { ...record, state: "deleting", stateTime: now };
}

/** The build in state `deleting`, entered at `now` (seconds). */
export function deletingBuild(record: BuildRecord, now: number): BuildRecord {
  return { ...record, state: "deleting", stateTime: now };
}

/** Runs `work` under a lock, unless somebody else has it, who may be deleting the same. */
async function underLock(
  { context, abandoned }: Workshop,
  root: string,
  path: string,
  work: (lock: HeldLock) => Promise<"busy" | undefined>,
): Promise<Outcome> {
  const lock = await context.locks.acquire(root, { identifier: context.hostname });
  if (lock === null) return (await context.session.exists(path)) === null ? "unneeded" : "busy";
  try {
    return (await work(lock)) ?? "done";
  } catch (error) {
    // Somebody got into line meanwhile, and the lock's root goes with what it locks.
    if (isZooKeeperError(error, "NOT_EMPTY") && error.path === root) return "busy";
    throw error;
  } finally {
    if (!abandoned.aborted) await lock.release();
  }
}

async function deleteAtProvider(
  workshop: Workshop,
  action: DeleteUploadAction,
  record: UploadRecord,
  lock: HeldLock,
): Promise<void> {
  const provider = providerOf(workshop, action.provider);
  const late = () =>
    new Error(`provider ${action.provider} took longer than ${DELETE_TIMEOUT / 1000} s to delete an image`);
  const limit = deadline(workshop.context.clock, DELETE_TIMEOUT, late, [workshop.stopping, lock.signal]);
  try {
    const ids =
      record.externalId === null ? await findImages(provider, action, limit.signal) : [record.externalId];
    for (const id of ids) await provider.deleteImage(id, limit.signal);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    limit.stop();
  }
}

/** What an upload that was cut off has left at the provider. */
async function findImages(
  provider: Provider,
  { build, upload }: DeleteUploadAction,
  signal: AbortSignal,
): Promise<string[]> {
  const images = await provider.listImages(signal);
  return images
    .filter(({ metadata }) => metadata[METADATA.build] === build && metadata[METADATA.upload] === upload)
    .map(({ externalId }) => externalId);
}

/** Marks a build as being deleted; once it has no uploads, deletes its files here and its record. */
export async function deleteBuild(workshop: Workshop, action: DeleteBuildAction): Promise<Outcome> {
  const { context, reached } = workshop;
  const { image, build, reason } = action;
  const path = buildPath(image, build);
  return await withSpan("image.delete_build", { attributes: attributesOf(action) }, () =>
    underLock(workshop, buildLockPath(image, build), path, async (lock) => {
      reached("delete build: lock taken");
      const found = await readZnode(context.session, path);
      if (found === null) return;
      const record = decodeBuild(found.data);
      if (record.state !== "deleting") {
        if (!(await condemn(workshop, action, lock, record, found.version))) return;
      } else {
        const builder = await builderAt(context.session, image, build);
        if (builder !== null) {
          context.logger.info("a build is deleted when its builder has ended it", { image, build, builder });
          return "busy";
        }
      }
      reached("delete build: condemned");
      // From here on no upload of it begins.
      await context.view.settled();
      const entry = context.view.image(image)?.builds.find((candidate) => candidate.build === build);
      await removeBuild(workshop, image, build);
      reached("delete build: files deleted");
      if (entry === undefined || entry.uploads.length > 0 || entry.uploading.size > 0) return;
      const paths = await subtree(context.session, path);
      // Our place in the lock's line is below the build and goes with it.
      await context.session.multi([
        lock.guard(),
        { kind: "check", path, version: entry.version },
        ...paths.map((each): Operation => ({ kind: "delete", path: each, version: -1 })),
      ]);
      lock.markReleased();
      reached("delete build: record deleted");
      context.logger.info("build deleted", { image, build, reason });
    }),
  );
}

/**
 * Who is still at a build that was condemned while it ran, as the history and the build lock tell; null when nobody is.
 * Without its record it would not hear that it was cancelled.
 */
async function builderAt(session: Session, image: string, build: string): Promise<string | null> {
  const { attempts } = await readHistory(session, image);
  const attempt = attempts.find((each) => each.build === build && each.result === "building");
  if (attempt === undefined) return null;
  const root = buildsLockPath(image);
  try {
    const [first] = orderContenders(await session.children(root));
    if (first === undefined) return null;
    const { data } = await session.get(`${root}/${first}`);
    return new TextDecoder().decode(data) === attempt.builder ? attempt.builder : null;
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return null;
    throw error;
  }
}

/** Writes that a build is being deleted; false when it has changed or is being built after all. */
async function condemn(
  { context, builderId }: Workshop,
  action: DeleteBuildAction,
  lock: HeldLock,
  record: BuildRecord,
  version: number,
): Promise<boolean> {
  if (version !== action.version) return false;
  const { image, build } = action;
  const data = encodeBuild(deletingBuild(record, seconds(context.clock)));
  const set: Operation = { kind: "set", path: buildPath(image, build), data, version };
  if (record.state !== "building" || record.builderId === builderId) {
    await context.session.multi([lock.guard(), set]);
    return true;
  }
  // Who can have the image's build lock knows that the other builder is not at it any more.
  const free = await context.locks.acquire(buildsLockPath(image), { identifier: context.hostname });
  if (free === null) return false;
  try {
    await context.session.multi([lock.guard(), free.guard(), set]);
    return true;
  } finally {
    await free.release();
  }
}

/** Deletes files of a build of ours. */
export async function deleteFiles(workshop: Workshop, action: DeleteFilesAction): Promise<void> {
  const { image, build, formats, reason } = action;
  await withSpan("image.delete_files", { attributes: attributesOf(action) }, async () => {
    if (formats === null) await removeBuild(workshop, image, build);
    else await workshop.files.remove(image, build, formats);
  });
  workshop.context.logger.info("image files deleted", { image, build, formats, reason });
}

/** Finds out what ZooKeeper says of a build of ours that has no record. */
export async function examineFiles(workshop: Workshop, action: ExamineFilesAction): Promise<void> {
  const { context, files } = workshop;
  const marker = files.marker(action.image, action.build);
  if (marker === undefined) return;
  const standing = await withSpan("image.examine_files", { attributes: attributesOf(action) }, () =>
    judgeStanding(context.session, marker),
  );
  files.judge(action.image, action.build, standing);
  if (standing !== "foreign") return;
  context.logger.warn("image files are left alone: this ZooKeeper never held the record of their build", {
    image: action.image,
    build: action.build,
    path: files.stem(action.image, action.build),
  });
}
