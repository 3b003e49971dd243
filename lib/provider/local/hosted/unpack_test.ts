import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { access, lstat, mkdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Header, pack } from "tar-stream";
import { temporaryDirectory } from "../../../../test/harness/local_provider.ts";
import type { Checksums } from "../../checksums.ts";
import { unpack } from "./unpack.ts";

type Item = Partial<Header> & { readonly name: string; readonly content?: string };

const NONE: Checksums = { md5: null, sha256: null };
const never = new AbortController().signal;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let root: string;
let tar: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  root = join(directory.path, "root");
  tar = join(directory.path, "image.tar");
});
afterEach(() => directory.remove());

async function write(...items: readonly Item[]): Promise<void> {
  const packed = pack();
  for (const { content, ...header } of items) packed.entry(header, content ?? "");
  packed.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packed) if (chunk instanceof Uint8Array) chunks.push(chunk);
  await writeFile(tar, Buffer.concat(chunks));
}

const start = (checksums = NONE, signal = never) => unpack(tar, root, checksums, signal);

describe("unpacking a root file system", () => {
  test("keeps files, directories, links and permissions", async () => {
    await write(
      { name: "./", type: "directory", mode: 0o755 },
      { name: "./bin/", type: "directory", mode: 0o755 },
      { name: "./bin/tool", mode: 0o755, content: "tool", mtime: new Date(1_700_000_000_000) },
      { name: "./bin/same", type: "link", linkname: "./bin/tool" },
      { name: "./sh", type: "symlink", linkname: "/bin/tool" },
      { name: "./tmp", type: "directory", mode: 0o1777 },
      { name: "./secret", mode: 0o600, content: "s" },
    );
    await start();
    assert.equal(await readFile(join(root, "bin/tool"), "utf8"), "tool");
    const tool = await stat(join(root, "bin/tool"));
    assert.equal(tool.mode & 0o7777, 0o755);
    assert.equal(tool.mtimeMs, 1_700_000_000_000);
    assert.equal((await stat(join(root, "bin/same"))).ino, tool.ino);
    assert.equal(await readlink(join(root, "sh")), "/bin/tool");
    assert.equal((await stat(join(root, "tmp"))).mode & 0o7777, 0o1777);
    assert.equal((await stat(join(root, "secret"))).mode & 0o7777, 0o600);
  });

  test("takes set-user-id away, and leaves everything so that we can read and delete it", async () => {
    await write(
      { name: "sudo", mode: 0o4755, content: "x" },
      { name: "shadow", mode: 0o040, content: "x" },
      { name: "closed", type: "directory", mode: 0o010 },
      { name: "closed/inside", mode: 0o644, content: "x" },
    );
    await start();
    assert.equal((await stat(join(root, "sudo"))).mode & 0o7777, 0o755);
    assert.equal((await stat(join(root, "shadow"))).mode & 0o7777, 0o440);
    assert.equal((await stat(join(root, "closed"))).mode & 0o7777, 0o710);
    assert.equal(await readFile(join(root, "closed/inside"), "utf8"), "x");
  });

  test("makes directories that the tar does not name, and lets a later entry count", async () => {
    await write({ name: "a/b/c", content: "first" }, { name: "a/b/c", content: "second" });
    await start();
    assert.equal(await readFile(join(root, "a/b/c"), "utf8"), "second");
  });

  test("counts devices and pipes, and makes none", async () => {
    await write(
      { name: "dev/null", type: "character-device", devmajor: 1, devminor: 3 },
      { name: "dev/sda", type: "block-device", devmajor: 8, devminor: 0 },
      { name: "pipe", type: "fifo" },
      { name: "file", content: "x" },
    );
    assert.deepEqual(await start(), { skipped: 3 });
    await assert.rejects(access(join(root, "dev/null")));
  });

  test("never writes through a symbolic link", async () => {
    const outside = join(directory.path, "outside");
    await mkdir(outside);
    await write({ name: "link", type: "symlink", linkname: outside }, { name: "link/file", content: "x" });
    await assert.rejects(
      start(),
      /image\.tar cannot be unpacked: link is both a directory and something else/,
    );
    await assert.rejects(access(join(outside, "file")));
  });

  test("replaces a symbolic link by a file instead of writing to where it leads", async () => {
    const outside = join(directory.path, "outside");
    await writeFile(outside, "ours");
    await write({ name: "link", type: "symlink", linkname: outside }, { name: "link", content: "theirs" });
    await start();
    assert.equal(await readFile(outside, "utf8"), "ours");
    assert.equal((await lstat(join(root, "link"))).isFile(), true);
  });

  test("never makes a hard link to a file outside, be it by path or by a symbolic link", async () => {
    const outside = join(directory.path, "outside");
    await writeFile(outside, "ours");
    await write({ name: "stolen", type: "link", linkname: "../outside" });
    await assert.rejects(start(), /\.\.\/outside would lead out of the directory/);
    await write(
      { name: "l", type: "symlink", linkname: outside },
      { name: "m", type: "link", linkname: "l" },
    );
    await assert.rejects(unpack(tar, `${root}2`, NONE, never), /hard link to l, which is no file/);
    await write(
      { name: "d", type: "symlink", linkname: directory.path },
      { name: "m", type: "link", linkname: "d/outside" },
    );
    await assert.rejects(unpack(tar, `${root}3`, NONE, never), /d is both a directory/);
  });

  test("refuses paths with two dots, and reads absolute ones below the root", async () => {
    await write({ name: "a/../../evil", content: "x" });
    await assert.rejects(start(), /a\/\.\.\/\.\.\/evil would lead out of the directory/);
    await write({ name: "/etc/absolute", content: "x" });
    await unpack(tar, `${root}2`, NONE, never);
    assert.equal(await readFile(join(`${root}2`, "etc/absolute"), "utf8"), "x");
  });

  test("refuses what is no tar, holds nothing, or ends too early", async () => {
    await writeFile(tar, "x".repeat(10_000));
    await assert.rejects(start(), /image\.tar is not a tar file/);
    await write({ name: "file", content: "x".repeat(100_000) });
    await writeFile(tar, (await readFile(tar)).subarray(0, 50_000));
    await assert.rejects(start(), /image\.tar cannot be unpacked/);
  });

  test("compares the checksums of what it has read", async () => {
    await write({ name: "file", content: "x" });
    const hash = (name: string, content: Buffer) => createHash(name).update(content).digest("hex");
    const content = await readFile(tar);
    await start({ md5: hash("md5", content), sha256: hash("sha256", content) });
    const wrong = { md5: null, sha256: "0".repeat(64) };
    await assert.rejects(unpack(tar, `${root}2`, wrong, never), /its sha256 is [0-9a-f]{64}, not 0000/);
  });

  test("ends with the signal's reason when it is aborted", async () => {
    await write({ name: "file", content: "x".repeat(1_000_000) });
    const reason = new Error("no more");
    await assert.rejects(start(NONE, AbortSignal.abort(reason)), reason);
  });
});
