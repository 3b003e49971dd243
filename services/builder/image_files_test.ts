import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { ImageFiles } from "./image_files.ts";

const folders: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nodepool-images-"));
  folders.push(folder);
});
after(async () => {
  for (const path of folders) await rm(path, { recursive: true, force: true });
});

const MARKER = {
  image: "ubuntu",
  build: "a1",
  traceparent: null,
  workspace: null,
  anchor: { folder: "5", record: "9" },
};

async function put(...names: string[]): Promise<void> {
  for (const name of names) await writeFile(join(folder, name), name);
}

test("only files beside a marker are ours, and only they are removed", async () => {
  await put(
    "ubuntu-a1.qcow2",
    "ubuntu-a1.qcow2.md5",
    "ubuntu-a1.raw",
    "ubuntu-b2.qcow2",
    "notes-1.txt",
    "ubuntu-a11.raw",
    "ubuntu-a1.vhd-new",
  );
  await mkdir(join(folder, "ubuntu-a1.d"));
  const files = new ImageFiles(folder);
  await files.mark(MARKER);
  await files.scan(assert.fail);
  assert.deepEqual([...files.facts().keys()], ["ubuntu-a1"]);
  assert.deepEqual([...(files.facts().get("ubuntu-a1")?.formats ?? [])].sort(), ["qcow2", "raw"]);
  await files.remove("ubuntu", "b2", null);
  await files.remove("ubuntu", "a1", null);
  assert.deepEqual((await readdir(folder)).sort(), ["notes-1.txt", "ubuntu-a11.raw", "ubuntu-b2.qcow2"]);
});

test("one format is removed with its checksums; the rest stays", async () => {
  await put("ubuntu-a1.qcow2", "ubuntu-a1.qcow2.md5", "ubuntu-a1.qcow2.sha256", "ubuntu-a1.raw");
  const files = new ImageFiles(folder);
  await files.mark(MARKER);
  await files.remove("ubuntu", "a1", ["qcow2"]);
  assert.deepEqual((await readdir(folder)).sort(), ["ubuntu-a1.nodepool.json", "ubuntu-a1.raw"]);
  assert.deepEqual([...(files.facts().get("ubuntu-a1")?.formats ?? [])], ["raw"]);
});

test("markers outlive the process", async () => {
  const marker = { ...MARKER, traceparent: "00-x", workspace: "/tmp/nodepool-a1" };
  await new ImageFiles(folder).mark(marker);
  const files = new ImageFiles(folder);
  await files.scan(assert.fail);
  assert.deepEqual(files.marker("ubuntu", "a1"), marker);
});

test("a marker's folder for temporary files counts only when it is named for the build", async () => {
  await new ImageFiles(folder).mark({ ...MARKER, workspace: "/home" });
  const files = new ImageFiles(folder);
  await files.scan(assert.fail);
  assert.equal(files.marker("ubuntu", "a1")?.workspace, null);
});

test("a marker that cannot be read or names another build is reported, and its files are left alone", async () => {
  await put("ubuntu-a1.nodepool.json", "ubuntu-a1.qcow2");
  await writeFile(join(folder, "ubuntu-c3.nodepool.json"), JSON.stringify(MARKER));
  const files = new ImageFiles(folder);
  const problems: string[] = [];
  await files.scan((problem) => problems.push(problem));
  assert.equal(files.facts().size, 0);
  assert.equal(problems.length, 2);
  assert.match(
    problems.join("\n"),
    /ubuntu-c3\.nodepool\.json: it is named for another build; its files are left alone/,
  );
});

test("a marker that was being written is removed when there is none yet", async () => {
  const files = new ImageFiles(folder);
  await files.mark(MARKER);
  await put("ubuntu-a1.nodepool.json.new", "ubuntu-b2.nodepool.json.new", "ubuntu-c3.qcow2");
  await files.removeUnwritten();
  const left = ["ubuntu-a1.nodepool.json", "ubuntu-a1.nodepool.json.new", "ubuntu-c3.qcow2"];
  assert.deepEqual((await readdir(folder)).sort(), left);
});

test("a build that is marked or removed while the folder is read stays as it is then", async () => {
  const files = new ImageFiles(folder);
  for (let count = 0; count < 50; count += 1) await files.mark({ ...MARKER, build: `old${count}` });
  const scan = files.scan(assert.fail);
  await files.mark({ ...MARKER, build: "new" });
  await files.mark({ ...MARKER, build: "old1", workspace: null, anchor: null });
  await files.remove("ubuntu", "old2", null);
  await scan;
  assert.equal(files.marker("ubuntu", "new")?.build, "new");
  assert.equal(files.marker("ubuntu", "old1")?.anchor, null);
  assert.equal(files.marker("ubuntu", "old2"), undefined);
  assert.equal(files.facts().size, 50);
});

test("what is written of a build while it is removed is removed as well", async () => {
  await put(...Array.from({ length: 100 }, (_, number) => `ubuntu-a1.part${number}`));
  const files = new ImageFiles(folder);
  await files.mark(MARKER);
  const removed = files.remove("ubuntu", "a1", null);
  const parts = () => readdirSync(folder).filter((name) => name.includes(".part")).length;
  let left = parts();
  for (; left === 100; left = parts()) await new Promise((resolve) => setImmediate(resolve));
  writeFileSync(join(folder, "ubuntu-a1.qcow2.sha256"), "late");
  // One may be going at this moment: with two there is one more to go.
  assert.ok(left >= 2, `${left} are left`);
  await removed;
  assert.deepEqual(await readdir(folder), []);
});

test("checksums come from the files that diskimage-builder writes", async () => {
  const [md5, sha256] = ["a".repeat(32), "b".repeat(64)];
  await put("ubuntu-a1.qcow2");
  await writeFile(join(folder, "ubuntu-a1.qcow2.md5"), `${md5}  /x/ubuntu-a1.qcow2\n`);
  await writeFile(join(folder, "ubuntu-a1.qcow2.sha256"), `${sha256}  /x/ubuntu-a1.qcow2\n`);
  assert.deepEqual(await new ImageFiles(folder).checksums("ubuntu", "a1", "qcow2"), { md5, sha256 });
});

test("checksums of a build that is deleted while they are computed are not left over", async () => {
  const path = join(folder, "ubuntu-a1.tar");
  // A file that is read to its end only when its writer has closed it.
  execFileSync("mkfifo", [path]);
  const computed = new ImageFiles(folder).checksums("ubuntu", "a1", "tar");
  const writer = await open(path, "w");
  await rm(path);
  await writer.close();
  await assert.rejects(computed, { code: "ENOENT" });
  assert.deepEqual(await readdir(folder), []);
});

test("checksums that are missing are computed and written", async () => {
  await writeFile(join(folder, "ubuntu-a1.tar"), "abc");
  const { md5, sha256 } = await new ImageFiles(folder).checksums("ubuntu", "a1", "tar");
  assert.equal(md5, "900150983cd24fb0d6963f7d28e17f72");
  assert.equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal((await readFile(join(folder, "ubuntu-a1.tar.md5"), "utf8")).slice(0, 32), md5);
});

test("a folder that cannot be written is named", async () => {
  const files = new ImageFiles(join(folder, "file"));
  await put("file");
  await assert.rejects(files.mark(MARKER), /cannot write into images-dir .*file/);
});
