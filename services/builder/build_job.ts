// One build of an image, from the lock to the record of its result.
//
// Invariants:
//   J1. The record exists before the build command runs, and the marker of the files before the record.
//   J2. A build that loses its session goes on. Its lock is taken back as soon as there is a session again; whether the
//       result counts, build_ledger.ts says.
//   J3. A build whose record is condemned by anybody is ended: that is how builds are cancelled from elsewhere.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { buildsLockPath } from "../../lib/model/paths.ts";
import { seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { Logger } from "../../lib/std/logger.ts";
import { currentTraceparent, withSpan } from "../../lib/telemetry/trace.ts";
import { runBuild } from "./build.ts";
import { BuildFailure } from "./build_command.ts";
import { BuildLedger, type LedgerSubject } from "./build_ledger.ts";
import type { BuildLogWriter } from "./build_log.ts";
import { buildGate, buildNeed } from "./decide_build.ts";
import { anchorFiles } from "./image_anchor.ts";
import { KeptLock } from "./kept_lock.ts";
import { type BuildAction, readyBuilds } from "./plan.ts";
import { visible } from "./visible.ts";
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
  const build = context.newUuid().replaceAll("-", "");
  const kept = new KeptLock(context, lock, context.logger.child({ image, build }));
  try {
    // A configuration without the image may have come into force since the decision.
    const diskimage = diskimageOf(workshop, image);
    await context.view.settled();
    const need = stillNeeded(workshop, diskimage, action);
    if (need === null) return false;
    const requested = need.requestTime !== null;
    const job = new BuildJob(workshop, { diskimage, build, lock: kept, reason: action.reason, requested });
    const attributes = {
      "nodepool.image": image,
      "nodepool.build": build,
      "nodepool.reason": action.reason,
    };
    const parent = requestTraceparent(workshop, image);
    await withSpan("image.build", { attributes, parent }, () => job.run());
    return true;
  } finally {
    if (!workshop.abandoned.aborted) await kept.release();
  }
}

/** Why the image must be built, now that nobody else can be building it; null when it need not be any more. */
function stillNeeded({ context }: Workshop, diskimage: DiskImageConfig, { replaces }: BuildAction) {
  const { view, config, clock } = context;
  const entry = view.image(diskimage.name);
  const need = buildNeed(diskimage, entry, seconds(clock));
  const isDue = need.due || (replaces !== null && readyBuilds(entry)[0]?.build === replaces);
  if (!isDue || buildGate(diskimage, entry, config.file) !== null) return null;
  return { requestTime: need.due ? need.requestTime : null };
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
  readonly #workshop: Workshop;
  readonly #subject: LedgerSubject;
  readonly #ledger: BuildLedger;
  readonly #logger: Logger;

  constructor(workshop: Workshop, subject: LedgerSubject) {
    this.#workshop = workshop;
    this.#subject = subject;
    this.#ledger = new BuildLedger(workshop, subject);
    this.#logger = workshop.context.logger.child({ image: subject.diskimage.name, build: subject.build });
  }

  async run(): Promise<void> {
    const { context, building, metrics, onProgress, reached } = this.#workshop;
    const { diskimage, build, reason } = this.#subject;
    building.set(build, []);
    try {
      await this.#begin();
      this.#logger.info("build started", { reason, formats: diskimage.formats });
      const failure = await this.#execute();
      const duration = seconds(context.clock) - this.#ledger.startedAt;
      metrics.build(diskimage.name, failure === null ? "ready" : "failed", duration);
      if (failure !== null) await this.#remove();
      const stored = await this.#ledger.close(failure);
      reached("build: result stored");
      if (failure !== null) throw failure;
      if (!stored) throw await this.#dropped();
      this.#logger.info("build ready", { duration });
    } finally {
      // Until the result is visible, the record that says "building" is that of a build which runs here.
      await visible(context.view, this.#workshop.stopping);
      building.delete(build);
      onProgress(diskimage.name);
    }
  }

  /** Marker, record, anchor: in this order (J1). */
  async #begin(): Promise<void> {
    const { context, files, env, reached } = this.#workshop;
    const { diskimage, build } = this.#subject;
    const marker = {
      image: diskimage.name,
      build,
      traceparent: currentTraceparent(),
      workspace: await workspacePath(diskimage, env, build),
      anchor: null,
    };
    await files.mark(marker);
    reached("build: marker written");
    try {
      await this.#ledger.open();
      reached("build: record made");
      await anchorFiles(context.session, files, marker);
      reached("build: record anchored");
    } catch (error) {
      // Whether or not the record was made: nothing was built yet, and a record without its lock is cleaned up.
      await files.remove(diskimage.name, build, null);
      throw error;
    }
  }

  /** Runs the build command with its log; null when the image is there. */
  async #execute(): Promise<BuildFailure | null> {
    const { logs } = this.#workshop;
    const { diskimage, build, lock } = this.#subject;
    const ended = new AbortController();
    const keeping = lock.keep(ended.signal);
    const cancel = this.#cancellation();
    try {
      const log = await logs.begin(diskimage.name, build);
      try {
        await this.#make(log, cancel.signal);
        return null;
      } finally {
        await logs.end(diskimage.name, build);
        if (log.problem !== null) this.#logger.warn("build log is incomplete", { error: log.problem });
      }
    } catch (error) {
      const failure = error instanceof BuildFailure ? error : new BuildFailure(messageOf(error));
      this.#logger.warn("build failed", { error: failure.message, exitCode: failure.exitCode });
      return failure;
    } finally {
      cancel.stop();
      ended.abort();
      await keeping;
    }
  }

  /** A signal for the build's end, by the builder's or by an operator's will (J3). */
  #cancellation(): { readonly signal: AbortSignal; stop(): void } {
    const { context, stopping } = this.#workshop;
    const { diskimage, build } = this.#subject;
    const cancelled = new AbortController();
    const look = () => {
      const entry = context.view.image(diskimage.name)?.builds.find((each) => each.build === build);
      if (entry?.record?.state === "deleting") cancelled.abort(new Error("an operator has ended it"));
    };
    const stop = context.view.subscribe(({ kind, id }) => {
      if (kind === "image" && id === diskimage.name) look();
    });
    look();
    return { signal: AbortSignal.any([stopping, cancelled.signal]), stop };
  }

  /** Runs the command and computes the checksums. @throws {BuildFailure} */
  async #make(log: BuildLogWriter, signal: AbortSignal): Promise<void> {
    const { context, files, logs, spawn, env, graceMs, abandoned, reached } = this.#workshop;
    const { diskimage, build } = this.#subject;
    const image = diskimage.name;
    const workspace = files.marker(image, build)?.workspace ?? "";
    await mkdir(workspace);
    const order = {
      diskimage,
      build,
      workspace,
      stem: files.stem(image, build),
      elementsDir: context.config.elementsDir,
      env,
      packageDir: PACKAGE_DIR,
      logPath: logs.path(image, build),
    };
    const onPhase = (phase: string) => this.#progress(phase);
    const onStart = () => reached("build: command started");
    const tools = { spawn, clock: context.clock, log, onStart, onPhase, signal, graceMs, abandoned };
    const sizes = await withSpan("image.command", {}, () => runBuild(order, tools));
    await clearAfter(this.#workshop, image, build);
    // Nobody has to look for what it left again.
    const marker = files.marker(image, build);
    if (marker !== undefined) await files.mark({ ...marker, workspace: null });
    reached("build: command ended");
    this.#progress("computing checksums");
    this.#ledger.sizes = Object.fromEntries(sizes);
    this.#workshop.sizes.set(image, this.#ledger.sizes);
    for (const [format, size] of sizes) this.#workshop.metrics.imageSize(image, format, size);
    await withSpan("image.checksums", {}, async () => {
      for (const format of sizes.keys()) await files.checksums(image, build, format);
    });
    await files.refresh(image, build);
    reached("build: checksums written");
  }

  /** Removes what there is of the build; what resists is tried again by the clean-up, which finds the marker. */
  async #remove(): Promise<void> {
    try {
      await removeBuild(this.#workshop, this.#subject.diskimage.name, this.#subject.build);
    } catch (error) {
      this.#logger.warn("remains of a build are still there", { error: messageOf(error) });
    }
  }

  #progress(phase: string): void {
    const { building, onProgress } = this.#workshop;
    building.set(this.#subject.build, this.#ledger.phase(phase));
    onProgress(this.#subject.diskimage.name);
  }

  async #dropped(): Promise<BuildFailure> {
    await this.#remove();
    const message =
      "the build was finished, but its record was condemned, or another builder took the image over";
    this.#logger.warn("build dropped", { error: message });
    return new BuildFailure(message);
  }
}
