import { createReadStream, createWriteStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Header, type Pack, pack } from "tar-stream";

export interface PackOptions {
  /** Whether the tree's own owners are right; otherwise homes belong to their users and all else to root. */
  readonly ownersAreReal: boolean;
  readonly signal: AbortSignal;
}

type EntryHeader = Partial<Header> & Pick<Header, "name">;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Packs the tree below `root` into a tar, compressed when `file` ends in .tgz. */
export async function packTree(root: string, file: string, options: PackOptions): Promise<void> {
  const homes = options.ownersAreReal ? [] : await readHomes(root);
  const archive = pack();
  const output = createWriteStream(file);
  const written = file.endsWith(".tgz")
    ? pipeline(archive, createGzip({ level: 9 }), output, { signal: options.signal })
    : pipeline(archive, output, { signal: options.signal });
  const ownerOf = (path: string, real: Owner): Owner => {
    if (options.ownersAreReal) return real;
    return homes.find(({ home }) => `${path}/`.startsWith(`${home}/`)) ?? { uid: 0, gid: 0 };
  };
  const added = addFolder(archive, root, "", ownerOf).then(() => archive.finalize());
  // A full disk ends the writing; the adding would then wait for ever.
  await Promise.all([written, Promise.race([added, written])]);
}

async function addFolder(
  archive: Pack,
  root: string,
  path: string,
  ownerOf: (path: string, real: Owner) => Owner,
): Promise<void> {
  const full = join(root, path);
  const entry = await lstat(full);
  const { uid, gid } = ownerOf(path, entry);
  const header: EntryHeader = { name: `.${path}`, mode: entry.mode & 0o7777, mtime: entry.mtime, uid, gid };
  if (entry.isSymbolicLink()) {
    await addEntry(archive, { ...header, type: "symlink", linkname: await readlink(full) });
  } else if (entry.isFile()) {
    await addFile(archive, { ...header, type: "file", size: entry.size }, full);
  } else if (entry.isDirectory()) {
    await addEntry(archive, { ...header, name: `.${path}/`, type: "directory" });
    for (const name of (await readdir(full)).sort())
      await addFolder(archive, root, `${path}/${name}`, ownerOf);
  }
}

async function addEntry(archive: Pack, header: EntryHeader): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    archive.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

async function addFile(archive: Pack, header: EntryHeader, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    pipeline(createReadStream(path), entry).catch(reject);
  });
}

/** Home folders of people in the tree's passwd, with their owners. */
async function readHomes(root: string): Promise<(Owner & { readonly home: string })[]> {
  const passwd = await readFile(join(root, "etc/passwd"), "utf8").catch(() => "");
  return passwd.split("\n").flatMap((line) => {
    const [, , uid, gid, , home = ""] = line.split(":");
    const isPerson = Number(uid) >= 1000 && Number(uid) < 65534 && home.startsWith("/home/");
    return isPerson ? [{ home, uid: Number(uid), gid: Number(gid) }] : [];
  });
}
