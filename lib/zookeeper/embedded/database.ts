// The durable state: every change goes to memory and to the log, and counts once the log has it on disk.

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../std/clock.ts";
import { codeOf, messageOf } from "../../std/errors.ts";
import type { Logger } from "../../std/logger.ts";
import type { Faults } from "./faults.ts";
import { logName, TransactionLog } from "./log.ts";
import { listFiles, recover } from "./recovery.ts";
import { encodeSnapshot, writeSnapshot } from "./snapshot.ts";
import type { State, StateChange } from "./state.ts";
import { encodeTransaction } from "./transaction.ts";
import type { Change, ChangeResult, Outcome } from "./tree.ts";
import { errorCode } from "./wire.ts";

/** How long to wait before trying the disk again, in milliseconds. */
const repairInterval = 1_000;

export interface DatabaseOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faults: Faults;
  /** A log file that has grown beyond this many bytes is followed by a snapshot and a new file. */
  readonly logFileBytes: number;
  /** Hears that everything up to this zxid is on disk. */
  onDurable(zxid: number): void;
  /** Hears that what was not on disk has been taken back: nobody may have been told of it. */
  onRolledBack(): void;
}

export class Database {
  readonly state: State;
  readonly #options: DatabaseOptions;
  readonly #log: TransactionLog;
  /** How to take back what is not on disk yet, oldest first. */
  #undo: { readonly zxid: number; undo(): void }[] = [];
  #durable: number;
  #failure: Error | null = null;
  #cancelRepair: () => void = () => {};
  #nextRotation: number;
  /** A snapshot that waits until what it holds is on disk. */
  #captured: { readonly zxid: number; readonly blocks: ReturnType<typeof encodeSnapshot> } | null = null;
  #writingSnapshot: Promise<void> | null = null;

  /** Reads the directory. @throws DamagedDataError or a system error */
  constructor(options: DatabaseOptions) {
    this.#options = options;
    const { state, position } = recover(options.directory, options.logger);
    this.state = state;
    this.#durable = state.zxid;
    this.#nextRotation = options.logFileBytes;
    const listener = {
      durable: (zxid: number) => this.#onDurable(zxid),
      failed: (error: Error) => this.#onFailed(error),
    };
    this.#log = new TransactionLog(position, listener, () => options.faults.beforeLogWrite?.() ?? null);
  }

  /** Everything up to this transaction is on disk. */
  get durable(): number {
    return this.#durable;
  }

  /** Why no writes are taken at present, or null. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Commits in memory and hands to the log. While the disk takes no writes, it is refused with SYSTEM_ERROR. */
  commit(change: StateChange): Outcome {
    if (this.#failure) return { committed: false, index: 0, code: errorCode.systemError };
    const time = this.#options.clock.now();
    const outcome = this.state.commit(change, time);
    if (!outcome.committed) return outcome;
    const { zxid } = this.state;
    this.#undo.push({ zxid, undo: outcome.undo });
    const changes = bare(change.changes, outcome.results);
    this.#log.append(zxid, encodeTransaction({ ...change, changes, zxid, time }));
    return outcome;
  }

  /** Waits for the disk and closes the files. */
  async close(): Promise<void> {
    this.#cancelRepair();
    await this.#log.close();
    await this.#writingSnapshot;
  }

  #onDurable(zxid: number): void {
    this.#durable = zxid;
    const done = this.#undo.findIndex((entry) => entry.zxid > zxid);
    this.#undo.splice(0, done === -1 ? this.#undo.length : done);
    if (this.#captured && this.#captured.zxid <= zxid) this.#writeSnapshot();
    if (this.#log.size >= this.#nextRotation && !this.#captured && !this.#writingSnapshot) this.#rotate();
    this.#options.onDurable(zxid);
  }

  #onFailed(error: Error): void {
    this.#failure = error;
    this.#captured = null;
    for (const entry of this.#undo.reverse()) entry.undo();
    this.#undo = [];
    this.#options.logger.error("the log cannot be written, refusing writes until it can", {
      file: this.#log.file,
      code: codeOf(error),
      error: error.message,
    });
    this.#options.onRolledBack();
    this.#scheduleRepair();
  }

  #scheduleRepair(): void {
    this.#cancelRepair = this.#options.clock.after(repairInterval, () => {
      try {
        this.#log.repair();
      } catch {
        this.#scheduleRepair();
        return;
      }
      this.#failure = null;
      this.#options.logger.info("the log can be written again", { file: this.#log.file });
    });
  }

  #rotate(): void {
    try {
      this.#log.startFile(join(this.#options.directory, logName(this.#durable + 1)));
    } catch (error) {
      this.#nextRotation = this.#log.size + this.#options.logFileBytes;
      this.#options.logger.warn("cannot start a new log file, going on in the old one", {
        error: messageOf(error),
      });
      return;
    }
    this.#nextRotation = this.#options.logFileBytes;
    this.#captured = { zxid: this.state.zxid, blocks: encodeSnapshot(this.state) };
    if (this.#captured.zxid === this.#durable) this.#writeSnapshot();
  }

  #writeSnapshot(): void {
    const captured = this.#captured;
    if (!captured) return;
    this.#captured = null;
    const { directory, logger } = this.#options;
    this.#writingSnapshot = writeSnapshot(directory, captured.zxid, captured.blocks)
      .then(() => removeOldFiles(directory))
      .catch((error: unknown) => {
        logger.warn("cannot write a snapshot, keeping the log", { error: messageOf(error) });
      })
      .finally(() => {
        this.#writingSnapshot = null;
      });
  }
}

/** What the log needs of a transaction: no checks, no choices. */
function bare(changes: readonly Change[], results: readonly ChangeResult[]): Change[] {
  return changes.flatMap((change, index): Change[] => {
    if (change.kind === "check" || change.kind === "refused") return [];
    if (change.kind !== "create") return [change];
    return [{ ...change, path: results[index]?.path ?? change.path, sequential: false }];
  });
}

/** Keeps the two newest snapshots (should the newest be damaged one day) and the log since the older one. */
function removeOldFiles(directory: string): void {
  const snapshots = listFiles(directory, "snapshot");
  const oldest = snapshots.at(-2);
  if (!oldest) return;
  for (const { file, zxid } of snapshots) if (zxid < oldest.zxid) rmSync(file);
  const logs = listFiles(directory, "log");
  for (const [index, { file }] of logs.entries()) {
    const next = logs[index + 1];
    if (next && next.zxid <= oldest.zxid + 1) rmSync(file);
  }
}
