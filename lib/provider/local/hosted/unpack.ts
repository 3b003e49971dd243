// Unpacks the tar of a root file system into a directory, and never outside of it, whatever the tar says.
import { createReadStream } from "node:fs";
import { chmod, link, lstat, mkdir, open, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { codeOf, messageOf } from "../../../std/errors.ts";
import { assertTar, ChecksumMeter, type Checksums } from "../../checksums.ts";

/** What was left out of a root file system. */
export interface Unpacked {
  /** Devices and pipes: a sandbox has its own. */
  readonly skipped: number;
}

/**
 * Unpacks `tar` into the new directory `root` in constant memory. Everything belongs to us; permissions are kept but
 * for set-user-id bits, and so that we can always read and delete what was unpacked.
 * @throws {Error} when the tar is broken, is not the one that the checksums are of, or has an entry that would lead
 * out of the directory
 */
export async function unpack(
  tar: string,
  root: string,
  checksums: Checksums,
  signal: AbortSignal,
): Promise<Unpacked> {
  await assertTar(tar);
  await mkdir(root, { mode: 0o755 });
  const unpacker = new Unpacker(root);
  const entries = extract();
  const meter = new ChecksumMeter(checksums);
  const reading = pipeline(createReadStream(tar, { highWaterMark: 256 * 1024 }), meter, entries, { signal });
  const writing = (async () => {
    for await (const entry of entries) await unpacker.add(entry);
  })();
  const ended = await Promise.allSettled([writing, reading]);
  const failed = ended.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    if (signal.aborted) throw signal.reason;
    throw new Error(`${tar} cannot be unpacked: ${messageOf(failed.reason)}`, { cause: failed.reason });
  }
  meter.verify(tar);
  if (unpacker.count === 0) throw new Error(`${tar} holds no files`);
  await unpacker.finish();
  return { skipped: unpacker.skipped };
}

interface Entry extends AsyncIterable<unknown> {
  readonly header: Header;
  resume(): unknown;
}

const SPECIAL = new Set(["character-device", "block-device", "fifo"]);

class Unpacker {
  readonly #root: string;
  /** Directories that are known to be real ones, relative to the root. */
  readonly #directories = new Set<string>(["."]);
  /** Final modes of directories: set at the end, since unpacking must be able to write in them. */
  readonly #modes = new Map<string, number>();
  count = 0;
  skipped = 0;

  constructor(root: string) {
    this.#root = root;
  }

  async add(entry: Entry): Promise<void> {
    const { header } = entry;
    const path = relativePath(header.name);
    this.count += 1;
    await this.#write(path, header, entry);
    entry.resume();
  }

  async finish(): Promise<void> {
    for (const [path, mode] of this.#modes) await chmod(join(this.#root, path), mode);
  }

  async #write(path: string, header: Header, entry: Entry): Promise<void> {
    if (header.type === "directory") {
      await this.#ensureDirectory(path);
      this.#modes.set(path, permissions(header) | 0o700);
      return;
    }
    if (SPECIAL.has(header.type)) {
      this.skipped += 1;
      return;
    }
    await this.#ensureDirectory(dirname(path));
    await this.#clear(path);
    const target = join(this.#root, path);
    switch (header.type) {
      case "symlink":
        await symlink(header.linkname, target);
        return;
      case "link":
        await this.#hardLink(relativePath(header.linkname), target);
        return;
      case "file":
      case "contiguous-file":
        await writeEntry(target, permissions(header) | 0o400, header.mtime, entry);
        return;
      default:
        throw new Error(`${header.name} is an entry of a kind that is not supported`);
    }
  }

  /** Makes the directory and those above it; none of them may be a symbolic link. */
  async #ensureDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#ensureDirectory(dirname(path));
    const full = join(this.#root, path);
    try {
      await mkdir(full, { mode: 0o755 });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      if (!(await lstat(full)).isDirectory())
        throw new Error(`${path} is both a directory and something else`);
    }
    this.#directories.add(path);
  }

  /** Makes room for an entry that comes again: the later one counts. */
  async #clear(path: string): Promise<void> {
    if (this.#directories.has(path)) throw new Error(`${path} is both a directory and something else`);
    await rm(join(this.#root, path), { force: true });
  }

  async #hardLink(existing: string, target: string): Promise<void> {
    await this.#ensureDirectory(dirname(existing));
    const source = join(this.#root, existing);
    if (!(await lstat(source)).isFile()) throw new Error(`hard link to ${existing}, which is no file`);
    await link(source, target);
  }
}

/** The path of an entry relative to the root, "." for the root itself. */
function relativePath(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0")) throw new Error(`${name} would lead out of the directory`);
  return parts.length === 0 ? "." : parts.join("/");
}

function permissions(header: Header): number {
  return header.mode & 0o1777;
}

async function writeEntry(path: string, mode: number, mtime: Date, entry: Entry): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    for await (const chunk of entry) if (chunk instanceof Uint8Array) await handle.writeFile(chunk);
    await handle.chmod(mode);
    await handle.utimes(mtime, mtime);
  } finally {
    await handle.close();
  }
}
