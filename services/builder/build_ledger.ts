// What is written of one build: its record, its place in the image's history, and the end of the request that it served.
//
// Invariants:
//   B1. Every write is fenced by the image's build lock. The result, the end of the lock and the end of the request that
//       was served are one transaction.
//   B2. A result counts although the session was lost meanwhile, if nobody else has begun a build of the image since.
//   B3. The history tells how a build ended also when its record was taken away.
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { type BuildRecord, decodeBuild, encodeBuild, newBuild } from "../../lib/model/image.ts";
import { buildPath } from "../../lib/model/paths.ts";
import { seconds } from "../../lib/std/clock.ts";
import { createBuild, deleteBuildRequest } from "../../lib/zookeeper/operations.ts";
import { worthAnotherTry } from "../../lib/zookeeper/through_outages.ts";
import { type HeldLock, isUncertain, isZooKeeperError, type Operation } from "../../lib/zookeeper/types.ts";
import type { BuildFailure } from "./build_command.ts";
import { type Attempt, latestPhases, type Phase, readHistory, withAttempt, writeHistory } from "./history.ts";
import { anchorFiles } from "./image_anchor.ts";
import type { KeptLock } from "./kept_lock.ts";
import { isLockLost, readWhenConnected, sameData, storeAndRelease } from "./locked_write.ts";
import { readyBuilds, timeAfter } from "./plan.ts";
import { shortError } from "./setbacks.ts";
import type { Workshop } from "./workshop.ts";

/** How long to wait for a lock that was lost, when the result is to be written, in milliseconds. */
const LOCK_PATIENCE = 10_000;

/** A build on which is written. */
export interface LedgerSubject {
  readonly diskimage: DiskImageConfig;
  readonly build: string;
  readonly lock: KeptLock;
  /** Why it was begun. */
  readonly reason: string;
  /** Whether it serves a request, which then ends with it. */
  readonly requested: boolean;
}

export class BuildLedger {
  readonly #workshop: Workshop;
  readonly #subject: LedgerSubject;
  readonly #path: string;
  #phases: readonly Phase[];
  readonly startedAt: number;
  /** What the files take, in bytes by format. */
  sizes: Readonly<Record<string, number>> = {};

  /** @param begun of a build that a process before this one has begun */
  constructor(workshop: Workshop, subject: LedgerSubject, begun?: Pick<Attempt, "startedAt" | "phases">) {
    this.#workshop = workshop;
    this.#subject = subject;
    this.#path = buildPath(subject.diskimage.name, subject.build);
    this.startedAt = begun?.startedAt ?? seconds(workshop.context.clock);
    this.#phases = latestPhases(begun?.phases ?? []);
  }

  /**
   * Notes what the build does now; it is written with the result.
   *
   * @returns the phases to show. They are no more than the history keeps: each change is published with all of them,
   *   and a command may announce phases without end.
   */
  phase(name: string): readonly Phase[] {
    if (this.#phases.at(-1)?.name !== name) {
      const begun = { name, startedAt: seconds(this.#workshop.context.clock) };
      this.#phases = latestPhases([...this.#phases, begun]);
    }
    return this.#phases;
  }

  /** Makes the record of a build that begins. */
  async open(): Promise<void> {
    const { context, builderId } = this.#workshop;
    const { diskimage, build, lock } = this.#subject;
    const record = newBuild(seconds(context.clock), {
      builder: context.hostname,
      builderId,
      formats: diskimage.formats.join(","),
    });
    const told = await this.#history(this.#attempt("building", null));
    await context.session.multi([lock.last.guard(), createBuild(diskimage.name, build, record), told]);
  }

  /** Writes the result; false when the build does not count, because somebody else has written or begun another. */
  async close(failure: BuildFailure | null): Promise<boolean> {
    const { context, abandoned } = this.#workshop;
    const record = failure === null ? this.#readyRecord() : this.#failedRecord(failure.message);
    const attempt = this.#attempt(record.state === "ready" ? "ready" : "failed", failure);
    const data = encodeBuild(record);
    while (true) {
      abandoned.throwIfAborted();
      try {
        const found = await readWhenConnected(context, this.#path, abandoned);
        if (found !== null && sameData(found.data, data)) return true;
        const lock = await this.#subject.lock.own(abandoned, LOCK_PATIENCE);
        if (lock === null) return false;
        const stored =
          found === null
            ? await this.#storeAgain(lock, record, attempt)
            : await this.#storeOver(lock, found, data, attempt);
        if (stored !== null) return stored;
      } catch (error) {
        if (!this.#mayRepeat(error)) throw error;
        await worthAnotherTry(context.session, context.clock, error, abandoned);
      }
    }
  }

  #mayRepeat(error: unknown): boolean {
    const isLost = isLockLost(error);
    if (isLost) this.#subject.lock.last.markReleased();
    return isLost || isUncertain(error) || isZooKeeperError(error, "SESSION_EXPIRED");
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
    // Another process with our images-dir has finished it meanwhile.
    if (before.state === "ready" && before.builderId === builderId) return true;
    const isOurs = before.state === "building" && before.builderId === builderId;
    if (!isOurs || (await this.#isOvertaken())) return await this.#tell(lock, attempt);
    const served = attempt.result === "ready" && this.#subject.requested;
    const besides = [
      await this.#history(attempt),
      ...(served ? [deleteBuildRequest(this.#subject.diskimage.name)] : []),
    ];
    const write = { path: this.#path, data, version: found.version, besides };
    const outcome = await storeAndRelease(context, lock, write, abandoned);
    return outcome === "stored" ? true : null;
  }

  /** The record was cleaned up meanwhile: makes it anew, unless somebody has begun another build (B2). */
  async #storeAgain(lock: HeldLock, record: BuildRecord, attempt: Attempt): Promise<boolean> {
    const { context, files } = this.#workshop;
    const { diskimage, build } = this.#subject;
    const marker = files.marker(diskimage.name, build);
    if (record.state !== "ready" || marker === undefined) return await this.#tell(lock, attempt);
    if (await this.#isOvertaken()) return await this.#tell(lock, attempt);
    await context.session.multi([
      lock.guard(),
      createBuild(diskimage.name, build, record),
      await this.#history(attempt),
      lock.releaseOperation(),
    ]);
    lock.markReleased();
    await anchorFiles(context.session, files, marker);
    return true;
  }

  /** Whether another build of the image was begun after this one, as under the lock can be told (B2). */
  async #isOvertaken(): Promise<boolean> {
    const { context, abandoned } = this.#workshop;
    const { diskimage, build } = this.#subject;
    await context.view.ready(abandoned);
    await context.view.settled();
    const builds = context.view.image(diskimage.name)?.builds ?? [];
    const begun = builds.find((each) => each.build === build)?.createdAt ?? this.startedAt;
    return builds.some(({ createdAt }) => createdAt > begun);
  }

  /** Writes into the history only (B3). */
  async #tell(lock: HeldLock, attempt: Attempt): Promise<false> {
    const { session } = this.#workshop.context;
    await session.multi([lock.guard(), await this.#history(attempt), lock.releaseOperation()]);
    lock.markReleased();
    return false;
  }

  #attempt(result: Attempt["result"], failure: BuildFailure | null): Attempt {
    const { clock, hostname } = this.#workshop.context;
    const { diskimage, build, reason } = this.#subject;
    return {
      build,
      builder: hostname,
      reason,
      formats: diskimage.formats,
      startedAt: this.startedAt,
      endedAt: result === "building" ? null : seconds(clock),
      result,
      error: failure?.message ?? null,
      exitCode: result === "ready" ? 0 : (failure?.exitCode ?? null),
      sizes: this.sizes,
      phases: this.#phases,
    };
  }

  /** Puts an attempt into the image's history: a step for a transaction under the build lock. */
  async #history(attempt: Attempt): Promise<Operation> {
    const { context, keepHistory } = this.#workshop;
    const image = this.#subject.diskimage.name;
    const history = await readHistory(context.session, image);
    const now = seconds(context.clock);
    return writeHistory(image, history, withAttempt(history.attempts, attempt, now, keepHistory));
  }

  #readyRecord(): BuildRecord {
    const { username, pythonPath, shellType, formats } = this.#subject.diskimage;
    const given = { formats: formats.join(","), username, pythonPath, shellType };
    const record = this.#failedRecord(null);
    const stateTime = timeAfter(record.stateTime, this.#readyBefore());
    return { ...record, state: "ready", stateTime, ...given };
  }

  /** Builds that are ready: under the image's lock no other becomes so. */
  #readyBefore(): (BuildRecord | null)[] {
    const entry = this.#workshop.context.view.image(this.#subject.diskimage.name);
    return readyBuilds(entry).map(({ record }) => record);
  }

  #failedRecord(error: string | null): BuildRecord {
    const { context, builderId } = this.#workshop;
    const given = { builder: context.hostname, builderId, error: error === null ? null : shortError(error) };
    return newBuild(seconds(context.clock), { state: "failed", ...given });
  }
}
