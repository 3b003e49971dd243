// Records of images and instances: a JSON file in a directory of each, written so that it is whole or absent.
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { hasEnded, identityOf, isAlive, isOfEarlierBoot, isRunning } from "../../../host/process_identity.ts";
import { removeTree } from "../../../host/remove_tree.ts";
import { codeOf } from "../../../std/errors.ts";

/** An image that was unpacked. */
const imageRecord = z.object({
  name: z.string(),
  metadata: z.record(z.string(), z.string()),
});
export type ImageRecord = z.infer<typeof imageRecord>;

/** A node of this machine. */
const instanceRecord = z.object({
  /** The engine that runs it. */
  engine: z.enum(["sandbox", "process"]),
  state: z.enum(["building", "running", "failed"]),
  fault: z.string().optional(),
  metadata: z.record(z.string(), z.string()),
  /** The image's external id. */
  image: z.string(),
  resources: z.object({
    instances: z.number().optional(),
    cores: z.number().optional(),
    ram: z.number().optional(),
  }),
  /** The process that builds it. */
  pid: z.number(),
  /** Where it listens on loopback; 0 until it has been running. */
  port: z.number(),
});
export type InstanceRecord = z.infer<typeof instanceRecord>;

/** Names that are safe as one component of a path. */
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/;

/** Whether a name can be the name of a record. */
export function isRecordName(name: string): boolean {
  return SAFE_NAME.test(name);
}

/** Directories with a record in each; several processes of one machine may use them at once. */
export class Records<T> {
  readonly directory: string;
  readonly #file: string;
  readonly #schema: z.ZodType<T>;

  constructor(directory: string, file: string, schema: z.ZodType<T>) {
    this.directory = directory;
    this.#file = file;
    this.#schema = schema;
  }

  /** The directory of a record. */
  path(name: string): string {
    if (!isRecordName(name)) throw new Error(`${JSON.stringify(name)} cannot be the name of a directory`);
    return join(this.directory, name);
  }

  /** The record; null when there is none. */
  async read(name: string): Promise<T | null> {
    if (!isRecordName(name)) return null;
    try {
      return this.#schema.parse(JSON.parse(await readFile(join(this.path(name), this.#file), "utf8")));
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
      throw error;
    }
  }

  /** Every record that can be read, by name. */
  async list(): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    for (const name of await this.#names()) {
      const record = await this.read(name).catch(() => null);
      if (record !== null) found.set(name, record);
    }
    return found;
  }

  /** Writes the record, and its directory when that is missing. Only we may read it. */
  async write(name: string, record: T): Promise<void> {
    const path = this.path(name);
    await mkdir(path, { recursive: true, mode: 0o700 });
    await writeWhole(join(path, this.#file), JSON.stringify(record, null, 2));
  }

  /**
   * Makes a record and its directory together: what `fill` puts into the directory that it is given appears under the
   * name at once, or not at all.
   */
  async create(name: string, fill: (directory: string) => Promise<T>, signal: AbortSignal): Promise<void> {
    const target = this.path(name);
    const owner = encodeURIComponent(identityOf(process.pid) ?? `${process.pid}`);
    const directory = join(this.directory, `.unfinished-${owner}-${randomBytes(6).toString("hex")}`);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      const record = await fill(directory);
      await writeWhole(join(directory, this.#file), JSON.stringify(record, null, 2));
      signal.throwIfAborted();
      await rename(directory, target);
    } catch (error) {
      await removeTree(directory);
      throw error;
    }
  }

  /** Removes the record at once, then its directory, and what an earlier attempt has left of it. */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    if (!isRecordName(name)) return;
    const doomed = `.deleted-${name}-`;
    try {
      await rename(this.path(name), join(this.directory, `${doomed}${randomBytes(6).toString("hex")}`));
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
    for (const left of await this.#names()) {
      if (left.startsWith(doomed)) await removeTree(join(this.directory, left), signal);
    }
  }

  /**
   * Removes what processes that are gone have left half made or half removed.
   * @param now milliseconds since the Unix epoch
   */
  async sweep(now: number, signal: AbortSignal): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.directory, name);
      if (name.startsWith(".deleted-") || (await isLeft(path, name, now))) await removeTree(path, signal);
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw error;
    }
  }
}

/** Nobody works on a record for so long, in milliseconds. */
const LONGEST_WORK_MS = 86_400_000;

/** Whether a directory is of a record that nobody finishes any more. */
async function isLeft(path: string, name: string, now: number): Promise<boolean> {
  const owner = /^\.unfinished-(.+)-[0-9a-f]+$/.exec(name)?.[1];
  if (owner === undefined) return false;
  const identity = decodeURIComponent(owner);
  if (/^\d+$/.test(identity)) return !isAlive(Number(identity));
  if (isRunning(identity)) return false;
  if (hasEnded(identity) || isOfEarlierBoot(identity)) return true;
  // Of a process in another container nothing is known: it may have been ourselves, or still be at work.
  const changed = await stat(path).catch(() => null);
  return changed !== null && now - changed.ctimeMs > LONGEST_WORK_MS;
}

/** Writes a file that only we may read so that it is never seen in part. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The images below a provider's directory. */
export function imageRecords(directory: string): Records<ImageRecord> {
  return new Records(join(directory, "images"), "image.json", imageRecord);
}

/** The instances below a provider's directory. */
export function instanceRecords(directory: string): Records<InstanceRecord> {
  return new Records(join(directory, "instances"), "instance.json", instanceRecord);
}
