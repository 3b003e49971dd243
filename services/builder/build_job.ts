// One build of an image, from the lock to the record of its result.
//
// Invariants:
//   J1. The record exists before the build command runs, and the marker of the files before the record.
//   J2. Every write is fenced by the image's build lock. The result, the end of the lock and the end of the request
//       that was served are one transaction.
//   J3. A build that loses its session goes on. Its lock is taken back as soon as there is a session again; if nobody
//       else has begun a build by the time it is finished, its result counts.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { type BuildRecord, decodeBuild, encodeBuild, newBuild } from "../../lib/model/image.ts";
import { buildPath, buildsLockPath } from "../../lib/model/paths.ts";
import { seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { Logger } from "../../lib/std/logger.ts";
import { currentTraceparent, withSpan } from "../../lib/telemetry/trace.ts";
import { createBuild, deleteBuildRequest } from "../../lib/zookeeper/operations.ts";
import { type HeldLock, isUncertain, isZooKeeperError, type Operation } from "../../lib/zookeeper/types.ts";
import { BuildFailure, runBuild } from "./build.ts";
import { buildGate, buildNeed } from "./decide_build.ts";
import { type Attempt, type Phase, readHistory, withAttempt, writeHistory } from "./history.ts";
import { anchorFiles } from "./image_anchor.ts";
import { KeptLock } from "./kept_lock.ts";
import { readWhenConnected, sameData, storeAndRelease } from "./locked_write.ts";
import { recordBuild, recordImageSize } from "./metrics.ts";
import type { BuildAction } from "./plan.ts";
import { visible } from "./time_limit.ts";
import { clearAfter, diskimageOf, removeBuild, type Workshop } from "./workshop.ts";
import { workspacePath } from "./workspace.ts";

const PACKAGE_DIR = dirname(fileURLToPath(import.meta.url));

/**
 * Builds an image if it is still wanted and nobody else is at it; false when not.
 *
 * @throws {BuildFailure} when there is no image at the end; the record says so then, if it could be written
 */
export async function buildImage(workshop: Workshop, action: BuildAction): Promise<boolean> {
  const { context } = workshop;
  const { image } = action;
  const root = buildsLockPath(image);
  const lock = await context.locks.acquire(root, { identifier: context.hostname, createParents: true });
  if (lock === null) return false;
  workshop.reached("build: lock taken");
  const job = new BuildJob(workshop, diskimageOf(workshop, image), lock);
  try {
    await context.view.settled();
    if (!job.wanted()) return false;
    const attributes = {
      "nodepool.image": image,
      "nodepool.build": job.build,
      "nodepool.reason": action.reason,
    };
    const parent = requestTraceparent(workshop, image);
    await withSpan("image.build", { attributes, parent }, () => job.run(action.reason));
    return true;
  } finally {
    await job.close();
  }
}

/** The trace that the build request belongs to; null for a request without one, as Python Nodepool makes them. */
function requestTraceparent({ context }: Workshop, image: string): string | null {
  const data = context.view.image(image)?.buildRequest?.data;
  if (data === undefined || data.length === 0) return null;
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(data));
    const { traceparent } = (document ?? {}) as Record<string, unknown>;
    return typeof traceparent === "string" ? traceparent : null;
  } catch {
    return null;
  }
}

class BuildJob {
  readonly build: string;
  readonly #workshop: Workshop;
  readonly #diskimage: DiskImageConfig;
  readonly #logger: Logger;
  readonly #path: string;
  readonly #finished = new AbortController();
  readonly #lock: KeptLock;
  #requested = false;
  #startedAt = 0;
  #reason = "";
  readonly #phases: Phase[] = [];
  #sizes: Readonly<Record<string, number>> = {};

  constructor(workshop: Workshop, diskimage: DiskImageConfig, lock: HeldLock) {
    this.#workshop = workshop;
    this.#diskimage = diskimage;
    this.build = workshop.context.newUuid().replaceAll("-", "");
    this.#path = buildPath(diskimage.name, this.build);
    this.#logger = workshop.context.logger.child({ image: diskimage.name, build: this.build });
    this.#lock = new KeptLock(workshop.context, lock, this.#logger);
  }

  /** Whether the image must still be built, now that nobody else can be building it. */
  wanted(): boolean {
    const { view, config, clock } = this.#workshop.context;
    const entry = view.image(this.#diskimage.name);
    const need = buildNeed(this.#diskimage, entry, seconds(clock));
    this.#requested = entry?.buildRequest != null;
    return need.due && buildGate(this.#diskimage, entry, config.file) === null;
  }

  async run(reason: string): Promise<void> {
    const { context, building, onProgress, reached } = this.#workshop;
    const image = this.#diskimage.name;
    building.set(this.build, []);
    this.#reason = reason;
    this.#startedAt = seconds(context.clock);
    try {
      await this.#begin();
      this.#logger.info("build started", { reason, formats: this.#diskimage.formats });
      const failure = await this.#execute();
      const duration = seconds(context.clock) - this.#startedAt;
      recordBuild(image, failure === null ? "ready" : "failed", duration);
      if (failure !== null) await this.#remove();
      const stored = await this.#store(failure);
      reached("build: result stored");
      if (failure !== null) throw failure;
      if (!stored) throw await this.#dropped();
      this.#logger.info("build ready", { duration });
    } finally {
      // Until the result is visible, the record that says "building" is that of a build which runs here.
      await visible(context.view, this.#workshop.stopping);
      building.delete(this.build);
      onProgress(image);
    }
  }

  async close(): Promise<void> {
    this.#finished.abort();
    if (!this.#workshop.abandoned.aborted) await this.#lock.release();
  }

  /** Marker, record, anchor: in this order (J1). */
  async #begin(): Promise<void> {
    const { context, files, builderId, env, reached } = this.#workshop;
    const image = this.#diskimage.name;
    const marker = {
      image,
      build: this.build,
      traceparent: currentTraceparent(),
      workspace: await workspacePath(this.#diskimage, env, this.build),
      anchor: null,
    };
    await files.mark(marker);
    reached("build: marker written");
    try {
      const record = newBuild(seconds(context.clock), {
        builder: context.hostname,
        builderId,
        formats: this.#diskimage.formats.join(","),
      });
      const told = await this.#history(this.#attempt("building", null));
      await context.session.multi([this.#lock.last.guard(), createBuild(image, this.build, record), told]);
      reached("build: record made");
      await anchorFiles(context.session, files, marker);
      reached("build: record anchored");
    } catch (error) {
      // Whether or not the record was made: nothing was built yet, and a record without its lock is cleaned up.
      await files.remove(image, this.build, null);
      throw error;
    }
  }

  /** Runs the build command with its log; null when the image is there. */
  async #execute(): Promise<BuildFailure | null> {
    const { context, files, logs, spawn, env, graceMs, stopping, reached } = this.#workshop;
    const diskimage = this.#diskimage;
    const image = diskimage.name;
    const keeping = this.#lock.keep(this.#finished.signal);
    try {
      const log = await logs.begin(image, this.build);
      try {
        const workspace = files.marker(image, this.build)?.workspace ?? "";
        await mkdir(workspace);
        const order = {
          diskimage,
          build: this.build,
          workspace,
          stem: files.stem(image, this.build),
          elementsDir: context.config.elementsDir,
          env,
          packageDir: PACKAGE_DIR,
          logPath: logs.path(image, this.build),
        };
        const onPhase = (phase: string) => this.#progress(phase);
        const onStart = () => reached("build: command started");
        const tools = { spawn, clock: context.clock, log, onStart, onPhase, signal: stopping, graceMs };
        const sizes = await runBuild(order, tools);
        await clearAfter(this.#workshop, image, this.build);
        // Nobody has to look for what it left again.
        const marker = files.marker(image, this.build);
        if (marker !== undefined) await files.mark({ ...marker, workspace: null });
        reached("build: command ended");
        this.#progress("computing checksums");
        this.#sizes = Object.fromEntries(sizes);
        this.#workshop.sizes.set(image, this.#sizes);
        for (const [format, size] of sizes) {
          recordImageSize(image, format, size);
          await files.checksums(image, this.build, format);
        }
        await files.refresh(image, this.build);
        reached("build: checksums written");
        return null;
      } finally {
        await logs.end(image, this.build);
        if (log.problem !== null) this.#logger.warn("build log is incomplete", { error: log.problem });
      }
    } catch (error) {
      const failure = error instanceof BuildFailure ? error : new BuildFailure(messageOf(error));
      this.#logger.warn("build failed", { error: failure.message, exitCode: failure.exitCode });
      return failure;
    } finally {
      this.#finished.abort();
      await keeping;
    }
  }

  /** Removes what there is of the build; what resists is tried again by the clean-up, which finds the marker. */
  async #remove(): Promise<void> {
    try {
      await removeBuild(this.#workshop, this.#diskimage.name, this.build);
    } catch (error) {
      this.#logger.warn("remains of a build are still there", { error: messageOf(error) });
    }
  }

  #progress(phase: string): void {
    if (this.#phases.at(-1)?.name === phase) return;
    this.#phases.push({ name: phase, startedAt: seconds(this.#workshop.context.clock) });
    this.#workshop.building.set(this.build, [...this.#phases]);
    this.#workshop.onProgress(this.#diskimage.name);
  }

  #attempt(result: Attempt["result"], failure: BuildFailure | null): Attempt {
    const { clock, hostname } = this.#workshop.context;
    const exitCode = result === "ready" ? 0 : (failure?.exitCode ?? null);
    return {
      build: this.build,
      builder: hostname,
      reason: this.#reason,
      formats: this.#diskimage.formats,
      startedAt: this.#startedAt,
      endedAt: result === "building" ? null : seconds(clock),
      result,
      error: failure?.message ?? null,
      exitCode,
      sizes: this.#sizes,
      phases: this.#phases,
    };
  }

  /** Puts an attempt into the image's history: a step for a transaction under the build lock. */
  async #history(attempt: Attempt): Promise<Operation> {
    const { context, keepHistory } = this.#workshop;
    const image = this.#diskimage.name;
    const history = await readHistory(context.session, image);
    const now = seconds(context.clock);
    return writeHistory(image, history, withAttempt(history.attempts, attempt, now, keepHistory));
  }

  #readyRecord(): BuildRecord {
    const { username, pythonPath, shellType, formats } = this.#diskimage;
    return {
      ...this.#failedRecord(),
      state: "ready",
      formats: formats.join(","),
      username,
      pythonPath,
      shellType,
    };
  }

  #failedRecord(): BuildRecord {
    const { context, builderId } = this.#workshop;
    const given = { state: "failed", builder: context.hostname, builderId } as const;
    return newBuild(seconds(context.clock), given);
  }

  /** Writes the result; false when somebody else has taken the image over. */
  async #store(failure: BuildFailure | null): Promise<boolean> {
    const { context, abandoned } = this.#workshop;
    const record = failure === null ? this.#readyRecord() : this.#failedRecord();
    const attempt = this.#attempt(record.state === "ready" ? "ready" : "failed", failure);
    const data = encodeBuild(record);
    while (true) {
      abandoned.throwIfAborted();
      try {
        const found = await readWhenConnected(context.session, this.#path, abandoned);
        if (found !== null && sameData(found.data, data)) return true;
        const lock = await this.#lock.own(abandoned, 10_000);
        if (lock === null) return false;
        const stored =
          found === null
            ? await this.#storeAgain(lock, record, attempt)
            : await this.#storeOver(lock, found, data, attempt);
        if (stored !== null) return stored;
      } catch (error) {
        if (!isUncertain(error) && !isZooKeeperError(error, "SESSION_EXPIRED")) throw error;
      }
    }
  }

  /** Writes the result over the record that was made at the beginning; null to look again. */
  async #storeOver(
    lock: HeldLock,
    found: { readonly data: Uint8Array; readonly version: number },
    data: Uint8Array,
    attempt: Attempt,
  ): Promise<boolean | null> {
    const { context, builderId, abandoned } = this.#workshop;
    const before = decodeBuild(found.data);
    if (before.state !== "building" || before.builderId !== builderId) return false;
    const served = attempt.result === "ready" && this.#requested;
    const besides = [
      await this.#history(attempt),
      ...(served ? [deleteBuildRequest(this.#diskimage.name)] : []),
    ];
    const write = { path: this.#path, data, version: found.version, besides };
    const outcome = await storeAndRelease(context.session, lock, write, abandoned);
    return outcome === "stored" ? true : null;
  }

  /** The record was cleaned up while the session was away: makes it anew, unless somebody has begun another build. */
  async #storeAgain(lock: HeldLock, record: BuildRecord, attempt: Attempt): Promise<boolean | null> {
    const { context, files } = this.#workshop;
    const image = this.#diskimage.name;
    const marker = files.marker(image, this.build);
    if (record.state !== "ready" || marker === undefined) return false;
    await context.view.ready(this.#workshop.abandoned);
    await context.view.settled();
    const others = context.view.image(image)?.builds ?? [];
    if (others.some((other) => other.record !== null && other.record.stateTime > this.#startedAt))
      return false;
    await context.session.multi([
      lock.guard(),
      createBuild(image, this.build, record),
      await this.#history(attempt),
      lock.releaseOperation(),
    ]);
    lock.markReleased();
    await anchorFiles(context.session, files, marker);
    return true;
  }

  async #dropped(): Promise<BuildFailure> {
    await this.#remove();
    const message = "the build's ZooKeeper session was lost and another builder took the image over";
    this.#logger.warn("build dropped", { error: message });
    return new BuildFailure(message);
  }
}
