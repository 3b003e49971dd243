// One upload of a build to one provider, from the lock to the record of its result.
//
// Invariants:
//   U1. The record exists before the provider is called, and its number is in the image's metadata there: an upload
//       that is cut off can be found and deleted by whoever cleans up its record.
//   U2. Every write is fenced by the upload lock; a record is only made below a build that is ready.
import { fillImageName } from "../../lib/config/image_name.ts";
import type { DiskImageConfig, ProviderConfig } from "../../lib/config/types.ts";
import { encodeUpload, newUpload, type UploadRecord } from "../../lib/model/image.ts";
import { buildPath, imagePath, uploadPath, uploadsLockPath, uploadsPath } from "../../lib/model/paths.ts";
import { METADATA, type Provider } from "../../lib/provider/contract.ts";
import { seconds } from "../../lib/std/clock.ts";
import { deadline } from "../../lib/std/deadline.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { createUpload } from "../../lib/zookeeper/operations.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import { throughOutages } from "../../lib/zookeeper/through_outages.ts";
import { type HeldLock, isZooKeeperError, type Operation, type Session } from "../../lib/zookeeper/types.ts";
import type { BuildEntry } from "../../lib/zookeeper/view.ts";
import { hasReadyUpload } from "./decide_upload.ts";
import { runHook } from "./hook.ts";
import { type Outcome, storeAndRelease } from "./locked_write.ts";
import { readyBuilds, timeAfter, type UploadAction } from "./plan.ts";
import { shortError } from "./setbacks.ts";
import { diskimageOf, providerOf, type Workshop } from "./workshop.ts";

/**
 * Uploads a build if it is still wanted and nobody else is at it; false when not.
 *
 * @throws {Error} when the upload failed; the record says so then, if it could be written
 */
export async function uploadImage(workshop: Workshop, action: UploadAction): Promise<boolean> {
  const { context, files } = workshop;
  const { image, build, provider } = action;
  if (!(await makeFolder(context.session, image, build, provider))) return false;
  workshop.reached("upload: folder made");
  const lock = await context.locks.acquire(uploadsLockPath(image, build, provider), {
    identifier: context.hostname,
  });
  if (lock === null) return false;
  workshop.reached("upload: lock taken");
  try {
    await context.view.settled();
    const entry = context.view.image(image)?.builds.find((candidate) => candidate.build === build);
    if (entry?.record?.state !== "ready" || hasReadyUpload(entry, provider)) return false;
    const attributes = { "nodepool.image": image, "nodepool.build": build, "nodepool.provider": provider };
    const parent = files.marker(image, build)?.traceparent;
    await withSpan("image.upload", { attributes, parent }, () =>
      new Upload(workshop, entry, provider, lock).run(),
    );
    return true;
  } finally {
    if (!workshop.abandoned.aborted) await lock.release();
  }
}

/** Makes the folder of the uploads, but never a build that is gone; false when it is. */
async function makeFolder(
  session: Session,
  image: string,
  build: string,
  provider: string,
): Promise<boolean> {
  const folder = uploadsPath(image, build, provider);
  if ((await session.exists(folder)) !== null) return true;
  const top = buildPath(image, build);
  for (let path = top; path !== folder; ) {
    const next = folder.indexOf("/", path.length + 1);
    path = next < 0 ? folder : folder.slice(0, next);
    try {
      await session.create(path, new Uint8Array(), "persistent");
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) return false;
      if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
    }
  }
  return true;
}

class Upload {
  readonly #workshop: Workshop;
  readonly #build: BuildEntry;
  readonly #record: UploadRecord;
  readonly #diskimage: DiskImageConfig;
  readonly #provider: Provider;
  readonly #config: ProviderConfig;
  readonly #lock: HeldLock;

  constructor(workshop: Workshop, build: BuildEntry, providerName: string, lock: HeldLock) {
    const { config, clock } = workshop.context;
    const settings = config.providers.find((candidate) => candidate.name === providerName);
    if (settings === undefined) throw new Error(`provider ${providerName} is not in ${config.file}`);
    this.#workshop = workshop;
    this.#build = build;
    this.#diskimage = diskimageOf(workshop, build.image);
    this.#provider = providerOf(workshop, providerName);
    this.#config = settings;
    this.#lock = lock;
    this.#record = newUpload(seconds(clock), {
      username: build.record?.username ?? null,
      pythonPath: build.record?.pythonPath ?? null,
      shellType: build.record?.shellType ?? null,
    });
  }

  async run(): Promise<void> {
    const { context, metrics } = this.#workshop;
    const { image, build } = this.#build;
    const provider = this.#provider.name;
    const number = await this.#begin();
    this.#workshop.reached("upload: record made");
    const logger = context.logger.child({ image, build, provider, upload: number });
    const path = uploadPath(image, build, provider, number);
    const startedAt = seconds(context.clock);
    logger.info("upload started", { format: this.#config.imageFormat });
    try {
      const { externalId, name } = await this.#send(number);
      const outcome = await this.#storeReady(path, externalId, name);
      if (outcome !== "stored") await this.#withdraw(externalId, outcome);
      this.#workshop.reached("upload: result stored");
      const duration = seconds(context.clock) - startedAt;
      metrics.upload(image, provider, "ready", duration);
      logger.info("upload ready", { externalId, duration });
    } catch (error) {
      metrics.upload(image, provider, "failed", seconds(context.clock) - startedAt);
      logger.warn("upload failed", { error: messageOf(error) });
      if (!this.#lock.signal.aborted) {
        const failed = { state: "failed", error: shortError(messageOf(error)) } as const;
        await this.#store(path, newUpload(seconds(context.clock), failed));
      }
      throw error;
    }
  }

  /** Makes the record (U1, U2); returns its number. */
  async #begin(): Promise<string> {
    const { session } = this.#workshop.context;
    const { image, build, version } = this.#build;
    const folder = uploadsPath(image, build, this.#provider.name);
    const results = await session.multi([
      this.#lock.guard(),
      { kind: "check", path: buildPath(image, build), version },
      createUpload(image, build, this.#provider.name, this.#record),
    ]);
    const created = results[2];
    if (created?.kind !== "create") throw new Error("ZooKeeper did not name the upload that it made");
    return created.path.slice(folder.length + 1);
  }

  /** Sends the file and runs the hook. @throws when either fails; nothing stays at the provider if the hook does */
  async #send(number: string): Promise<{ externalId: string; name: string }> {
    const { context, files, stopping, reached } = this.#workshop;
    const { image, build } = this.#build;
    const { imageFormat: format, imageUploadTimeout, imageNameFormat } = this.#config;
    const timestamp = String(Math.floor(seconds(context.clock)));
    const name = fillImageName(imageNameFormat, { image_name: image, upload_id: number, timestamp });
    const late = () =>
      new Error(`the upload took longer than image-upload-timeout (${imageUploadTimeout} s)`);
    const limit = deadline(context.clock, imageUploadTimeout * 1000, late, [stopping, this.#lock.signal]);
    try {
      const { md5, sha256 } = await files.checksums(image, build, format);
      const path = files.path(image, build, format);
      const spec = { name, path, format, md5, sha256, metadata: this.#metadata(number) };
      const externalId = await this.#provider.uploadImage(spec, limit.signal);
      // Without an id nobody could launch from it, or delete it.
      if (!externalId) throw new Error(`${this.#provider.name} gave no id for the image`);
      reached("upload: file sent");
      await this.#runHook(externalId, path, limit.signal);
      reached("upload: hook ended");
      return { externalId, name };
    } catch (error) {
      // The provider may have wrapped the reason for which we ended the call.
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      limit.stop();
    }
  }

  #metadata(number: string): Record<string, string> {
    const { image, build } = this.#build;
    const listed = this.#config.diskimages.find((candidate) => candidate.name === image);
    return {
      ...this.#diskimage.metadata,
      ...listed?.meta,
      [METADATA.provider]: this.#provider.name,
      [METADATA.image]: image,
      [METADATA.build]: build,
      [METADATA.upload]: number,
    };
  }

  async #runHook(externalId: string, path: string, signal: AbortSignal): Promise<void> {
    const hook = this.#config.postUploadHook;
    if (hook === null) return;
    try {
      const command = [hook, this.#provider.name, externalId, path];
      await withSpan("image.hook", {}, () => runHook(this.#workshop, command, signal));
    } catch (error) {
      await this.#provider.deleteImage(externalId, this.#workshop.abandoned);
      throw new Error(`${messageOf(error)}; the image was deleted at ${this.#provider.name}`);
    }
  }

  /** Launches take the upload that became ready last: it is put between those of older builds and those of newer ones. */
  #ready(externalId: string, externalName: string): UploadRecord {
    const { clock, view } = this.#workshop.context;
    const { image, record } = this.#build;
    const made = record?.stateTime ?? 0;
    const here = readyBuilds(view.image(image)).flatMap((build) =>
      build.uploads
        .filter(
          ({ provider, record: upload }) => provider === this.#provider.name && upload?.state === "ready",
        )
        .map(({ record: upload }) => ({ upload, isNewer: (build.record?.stateTime ?? 0) > made })),
    );
    const older = here.filter(({ isNewer }) => !isNewer).map(({ upload }) => upload);
    const newer = here.filter(({ isNewer }) => isNewer).map(({ upload }) => (upload?.stateTime ?? 0) - 0.001);
    const stateTime = Math.min(timeAfter(seconds(clock), older), ...newer);
    return {
      ...this.#record,
      state: "ready",
      stateTime,
      externalId,
      externalName,
      format: this.#config.imageFormat,
    };
  }

  /**
   * Puts it in its place among the uploads of other builds: those that are ready by now, and those that are under way,
   * for which it is the other way round.
   */
  async #storeReady(path: string, externalId: string, name: string): Promise<Outcome> {
    const { context } = this.#workshop;
    const { session, clock } = context;
    const catchUpHere = () => catchUp(context, imagePath(this.#build.image));
    while (true) {
      // Without its lock nothing is stored anyway.
      await throughOutages(session, clock, catchUpHere, this.#lock.signal).catch(() => undefined);
      const outcome = await this.#store(path, this.#ready(externalId, name), this.#othersUnderWay());
      if (outcome !== "overtaken") return outcome;
    }
  }

  /** Holds for as long as no upload of another build to this provider ends. */
  #othersUnderWay(): Operation[] {
    const { image, build } = this.#build;
    const builds = this.#workshop.context.view.image(image)?.builds ?? [];
    return builds
      .flatMap(({ uploads }) => uploads)
      .filter((each) => each.build !== build && each.provider === this.#provider.name)
      .filter(({ record }) => record?.state === "uploading")
      .map(({ build: other, provider, upload, version }) => {
        return { kind: "check", path: uploadPath(image, other, provider, upload), version };
      });
  }

  #store(path: string, record: UploadRecord, relied: readonly Operation[] = []): Promise<Outcome> {
    const { context, abandoned } = this.#workshop;
    const write = { path, data: encodeUpload(record), version: 0, relied };
    return storeAndRelease(context, this.#lock, write, abandoned);
  }

  /** Nobody will ever know of this image at the provider. @throws always */
  async #withdraw(externalId: string, outcome: Outcome): Promise<never> {
    await this.#provider.deleteImage(externalId, this.#workshop.abandoned);
    const why = outcome === "lock-lost" ? "its lock was lost" : "its record was changed by somebody else";
    throw new Error(`the upload could not be recorded because ${why}; the image was deleted at the provider`);
  }
}
