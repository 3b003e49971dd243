// The append-only log. Transactions are written together and made durable by one fsync (group commit).

import { Buffer } from "node:buffer";
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { encodeBlock } from "./blocks.ts";

/** What the owner of a log hears. */
export interface LogListener {
  /** Everything up to this zxid is on disk. */
  durable(zxid: number): void;
  /** Everything after the last durable zxid is lost; the log takes nothing until {@link TransactionLog.repair}. */
  failed(error: Error): void;
}

/** Where to go on writing. */
export interface LogPosition {
  readonly file: string;
  readonly size: number;
}

interface Entry {
  readonly zxid: number;
  readonly bytes: Buffer;
}

/** A block is at most about this long, so that the reader needs no more memory than that. */
const maxBlockBytes = 16 * 1024 * 1024;

export class TransactionLog {
  readonly #listener: LogListener;
  readonly #beforeWrite: () => Error | null;
  #file: string;
  #descriptor: number;
  /** Bytes that are durable: what is behind them counts for nothing. */
  #size: number;
  #pending: Entry[] = [];
  #flushing = false;
  #broken = false;
  #idle: (() => void)[] = [];

  /** Opens the file at `position` and cuts off what is behind it. @throws a system error */
  constructor(position: LogPosition, listener: LogListener, beforeWrite: () => Error | null = () => null) {
    this.#listener = listener;
    this.#beforeWrite = beforeWrite;
    this.#file = position.file;
    this.#size = position.size;
    this.#descriptor = openLog(position);
  }

  /** Bytes in the present file. */
  get size(): number {
    return this.#size;
  }

  /** The present file. */
  get file(): string {
    return this.#file;
  }

  /** Takes a transaction; the listener hears when it is durable or lost. */
  append(zxid: number, bytes: Buffer): void {
    this.#pending.push({ zxid, bytes });
    if (this.#flushing || this.#broken) return;
    this.#flushing = true;
    // Wait for the other requests that have already arrived, and write them together.
    setImmediate(() => this.#flush());
  }

  /** Goes on in a new file. Only while nothing is being written. @throws a system error */
  startFile(file: string): void {
    const descriptor = openNewLog(file);
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#file = file;
    this.#size = 0;
  }

  /** Tries whether the disk takes writes again. @throws a system error when it does not */
  repair(): void {
    const refused = this.#beforeWrite();
    if (refused) throw refused;
    ftruncateSync(this.#descriptor, this.#size);
    writeSync(this.#descriptor, Buffer.alloc(4096), 0, 4096, this.#size);
    fdatasyncSync(this.#descriptor);
    ftruncateSync(this.#descriptor, this.#size);
    fdatasyncSync(this.#descriptor);
    this.#broken = false;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    if (this.#flushing) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Writes what is left and closes the file. */
  async close(): Promise<void> {
    await this.settled();
    closeSync(this.#descriptor);
  }

  #flush(): void {
    const batch = this.#takeBatch();
    const last = batch.at(-1);
    if (!last) {
      this.#flushing = false;
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const block = encodeBlock(Buffer.concat(batch.map((entry) => entry.bytes)));
    try {
      const refused = this.#beforeWrite();
      if (refused) throw refused;
      for (let written = 0; written < block.length; ) {
        written += writeSync(this.#descriptor, block, written, block.length - written, this.#size + written);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    fdatasync(this.#descriptor, (error) => {
      if (error) {
        this.#fail(error);
        return;
      }
      this.#size += block.length;
      this.#listener.durable(last.zxid);
      this.#flush();
    });
  }

  #takeBatch(): Entry[] {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#pending) {
      if (count > 0 && bytes + entry.bytes.length > maxBlockBytes) break;
      bytes += entry.bytes.length;
      count++;
    }
    return this.#pending.splice(0, count);
  }

  #fail(error: Error): void {
    this.#broken = true;
    this.#pending = [];
    this.#flushing = false;
    this.#listener.failed(error);
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** The name of the log file whose first transaction is `zxid`. */
export function logName(zxid: number): string {
  return `log.${zxid.toString(16).padStart(16, "0")}`;
}

function openLog({ file, size }: LogPosition): number {
  const descriptor = openSync(file, size === 0 ? "w" : "r+");
  try {
    ftruncateSync(descriptor, size);
    fsyncSync(descriptor);
    syncDirectory(join(file, ".."));
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Leaves no file behind when it fails: behind a newer file, the end of the present one could not be a torn write. */
function openNewLog(file: string): number {
  try {
    return openLog({ file, size: 0 });
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}

/** Makes the creation and renaming of files in a directory durable. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
