// From the files of a data directory back to the state: the newest good snapshot, then the log after it.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../../std/logger.ts";
import { readBlocks } from "./blocks.ts";
import { type LogPosition, logName } from "./log.ts";
import { decodeSnapshot } from "./snapshot.ts";
import { State } from "./state.ts";
import { decodeTransaction } from "./transaction.ts";
import { Reader } from "./wire.ts";

/** A data directory whose files do not give a whole state. Starting anyway would lose acknowledged writes. */
export class DamagedDataError extends Error {
  override name = "DamagedDataError";
  readonly file: string;
  /** Where the damage starts, in bytes. */
  readonly offset: number;

  constructor(file: string, offset: number, what: string) {
    super(
      `${file} is damaged at byte ${offset}: ${what}. Restore the directory from a backup, ` +
        "or move it away to start with an empty one.",
    );
    this.file = file;
    this.offset = offset;
  }
}

/** A file of the log or a snapshot, with the zxid in its name. */
export interface DataFile {
  readonly file: string;
  readonly zxid: number;
}

/** The state in a data directory, and where its log goes on. @throws {DamagedDataError} or a system error */
export function recover(directory: string, logger: Logger): { state: State; position: LogPosition } {
  for (const name of readdirSync(directory)) {
    if (name.endsWith(".unfinished")) rmSync(join(directory, name));
  }
  const logs = listFiles(directory, "log");
  const state = newestState(directory, logs[0]?.zxid === 1, logger);
  if (state.zxid > 0 && !logs.some((log) => log.zxid <= state.zxid + 1)) {
    throw new DamagedDataError(
      join(directory, logName(state.zxid + 1)),
      0,
      "the log after the snapshot is missing",
    );
  }
  // The first log that is needed is the last one that starts at or before the next transaction.
  const first = Math.max(
    0,
    logs.findLastIndex((log) => log.zxid <= state.zxid + 1),
  );
  let position: LogPosition = { file: join(directory, logName(state.zxid + 1)), size: 0 };
  for (const [index, log] of logs.entries()) {
    if (index < first) continue;
    if (log.zxid > state.zxid + 1) throw missing(log.file, 0, state.zxid + 1, log.zxid - 1);
    const size = replay(state, log.file, index === logs.length - 1, logger);
    position = { file: log.file, size };
  }
  return { state, position };
}

/** The files of one kind, oldest first. */
export function listFiles(directory: string, kind: "log" | "snapshot"): DataFile[] {
  return readdirSync(directory)
    .filter((name) => new RegExp(`^${kind}\\.[0-9a-f]{16}$`).test(name))
    .sort()
    .map((name) => ({ file: join(directory, name), zxid: Number.parseInt(name.slice(kind.length + 1), 16) }));
}

function newestState(directory: string, logIsComplete: boolean, logger: Logger): State {
  let damage: DamagedDataError | null = null;
  for (const { file } of listFiles(directory, "snapshot").reverse()) {
    const decoded = decodeSnapshot(readFileSync(file));
    if (decoded instanceof State) return decoded;
    damage ??= new DamagedDataError(file, decoded.damagedAt, "the snapshot cannot be read");
    logger.warn("snapshot is damaged, trying what was there before it", { file, offset: decoded.damagedAt });
  }
  if (damage && !logIsComplete) throw damage;
  return new State();
}

/** Applies what a log file has beyond the state; returns how many of its bytes are good. */
function replay(state: State, file: string, isLast: boolean, logger: Logger): number {
  const bytes = readFileSync(file);
  const blocks = readBlocks(bytes);
  if (blocks.end < bytes.length) {
    if (!isLast)
      throw new DamagedDataError(file, blocks.end, "its checksum is wrong, and newer log files exist");
    if (blocks.wholeBlockAfter) {
      throw new DamagedDataError(file, blocks.end, "its checksum is wrong, and good records follow");
    }
    logger.warn("log ends in the middle of a write that was never acknowledged, cutting it off", {
      file,
      offset: blocks.end,
      bytes: bytes.length - blocks.end,
    });
  }
  for (const payload of blocks.payloads)
    replayBlock(state, new Reader(payload), file, payload.byteOffset - bytes.byteOffset);
  return blocks.end;
}

function replayBlock(state: State, reader: Reader, file: string, offset: number): void {
  while (reader.remaining > 0) {
    const transaction = decodeTransaction(reader);
    if (transaction.zxid <= state.zxid) continue;
    if (transaction.zxid !== state.zxid + 1)
      throw missing(file, offset, state.zxid + 1, transaction.zxid - 1);
    const outcome = state.commit(transaction, transaction.time);
    if (!outcome.committed) {
      throw new DamagedDataError(
        file,
        offset,
        `transaction ${transaction.zxid} does not fit (${outcome.code})`,
      );
    }
  }
}

function missing(file: string, offset: number, from: number, to: number): DamagedDataError {
  return new DamagedDataError(file, offset, `the transactions ${from} to ${to} before it are missing`);
}
