// Build logs: one file a build, written while it runs and followed from its beginning by anybody who asks.
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { messageOf } from "../../lib/std/errors.ts";
import { buildName } from "./plan.ts";

/** The build ids that Nodepool gives: 32 hex digits, or ten digits in old data. */
const LOG_NAME = /^(.+)-([0-9a-f]{32}|\d{10})\.log$/;

/** The longest piece of a line, in characters, that a follower waits on for its line end. */
const LONGEST_PIECE = 65_536;

/** A log that is being written. Writing never fails the build: the first problem is kept in {@link problem}. */
export class BuildLogWriter {
  readonly #handle: FileHandle;
  readonly #followers = new Set<() => void>();
  #queue: Promise<void> = Promise.resolve();
  #size = 0;
  #closed = false;
  /** Why a part of the log is missing, or null. */
  problem: string | null = null;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  get size(): number {
    return this.#size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Appends whole lines; resolves when they are in the file. */
  append(text: string): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      try {
        const bytes = new TextEncoder().encode(text);
        for (let offset = 0; offset < bytes.length; ) {
          const { bytesWritten } = await this.#handle.write(bytes, offset);
          offset += bytesWritten;
        }
        this.#size += bytes.length;
      } catch (error) {
        this.problem ??= messageOf(error);
      }
      this.#wake();
    });
    return this.#queue;
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#closed = true;
    this.#wake();
    await this.#handle.close();
  }

  /** Resolves when the log has grown beyond `size` bytes, was closed, or the signal is aborted. */
  grown(size: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (this.#size <= size && !this.#closed && !signal.aborted) return;
        this.#followers.delete(check);
        signal.removeEventListener("abort", check);
        resolve();
      };
      this.#followers.add(check);
      signal.addEventListener("abort", check);
      check();
    });
  }

  #wake(): void {
    for (const check of [...this.#followers]) check();
  }
}

/** The build logs of one builder. */
export class BuildLogs {
  readonly folder: string;
  readonly #retention: number;
  readonly #writers = new Map<string, BuildLogWriter>();

  /** @param retention old logs that are kept of an image when a new one begins; negative: all. At least one stays. */
  constructor(folder: string, retention: number) {
    this.folder = folder;
    this.#retention = retention;
  }

  path(image: string, build: string): string {
    return join(this.folder, `${buildName(image, build)}.log`);
  }

  /** Begins a log, and prunes the image's old ones. @throws {Error} naming the folder when it cannot be written */
  async begin(image: string, build: string): Promise<BuildLogWriter> {
    const name = buildName(image, build);
    try {
      await mkdir(this.folder, { recursive: true });
      await this.#prune(image);
      const writer = new BuildLogWriter(await open(this.path(image, build), "w", 0o644));
      this.#writers.set(name, writer);
      return writer;
    } catch (error) {
      const remedy = "make the folder writable or set another build-log-dir";
      throw new Error(`cannot write the build log in ${this.folder}: ${messageOf(error)}; ${remedy}`);
    }
  }

  /** Ends a log that {@link begin} began. */
  async end(image: string, build: string): Promise<void> {
    const name = buildName(image, build);
    const writer = this.#writers.get(name);
    this.#writers.delete(name);
    await writer?.close();
  }

  /** Whether the log of this build is here. */
  async has(image: string, build: string): Promise<boolean> {
    return (await stat(this.path(image, build)).catch(() => null)) !== null;
  }

  /**
   * The log in pieces of whole lines, from its beginning until the build has ended. Constant memory: a line that is
   * longer than 64 KiB, as a progress bar draws it with carriage returns only, comes in several pieces.
   */
  async *follow(image: string, build: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
    const writer = this.#writers.get(buildName(image, build));
    const handle = await open(this.path(image, build), constants.O_RDONLY);
    try {
      const buffer = new Uint8Array(32_768);
      const decoder = new StringDecoder("utf8");
      let offset = 0;
      let rest = "";
      while (!signal.aborted) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        if (bytesRead > 0) {
          offset += bytesRead;
          rest += decoder.write(buffer.subarray(0, bytesRead));
          const whole = rest.lastIndexOf("\n") + 1;
          const end = whole === 0 && rest.length > LONGEST_PIECE ? rest.length : whole;
          if (end > 0) yield rest.slice(0, end);
          rest = rest.slice(end);
          continue;
        }
        if (writer === undefined || (writer.closed && offset >= writer.size)) break;
        await writer.grown(offset, signal);
      }
      if (rest !== "" && !signal.aborted) yield `${rest}\n`;
    } finally {
      await handle.close();
    }
  }

  /** Removes the oldest logs of exactly this image: `ubuntu` leaves those of `ubuntu-focal` alone. */
  async #prune(image: string): Promise<void> {
    if (this.#retention < 0) return;
    const names = (await readdir(this.folder)).filter((name) => LOG_NAME.exec(name)?.[1] === image);
    const aged = await Promise.all(
      names.map(async (name) => {
        const path = join(this.folder, name);
        return { path, time: (await stat(path).catch(() => null))?.mtimeMs ?? 0 };
      }),
    );
    aged.sort((a, b) => b.time - a.time);
    for (const { path } of aged.slice(Math.max(1, this.#retention))) await rm(path, { force: true });
  }
}
