import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BuildLogs } from "./build_log.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nodepool-logs-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const id = (number: number) => String(number).padStart(32, "0");
const never = new AbortController().signal;

async function collect(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

test("pruning keeps the newest logs of exactly this image", async () => {
  const logs = new BuildLogs(join(folder, "prune"), 2);
  await logs.begin("ubuntu", id(0));
  await logs.end("ubuntu", id(0));
  for (const name of [
    `ubuntu-${id(1)}`,
    `ubuntu-${id(2)}`,
    `ubuntu-focal-${id(3)}`,
    "ubuntu-notes",
    "ubuntu-1",
  ]) {
    const path = join(logs.folder, `${name}.log`);
    await writeFile(path, "");
    await utimes(path, 1000 + name.length, Number(name.slice(-2)) || 5);
  }
  await logs.begin("ubuntu", id(9));
  await logs.end("ubuntu", id(9));
  const left = (await readdir(logs.folder)).sort();
  const kept = [`ubuntu-${id(0)}`, `ubuntu-${id(2)}`, `ubuntu-${id(9)}`, `ubuntu-focal-${id(3)}`];
  assert.deepEqual(left, [...kept, "ubuntu-1", "ubuntu-notes"].map((name) => `${name}.log`).sort());
});

test("a negative retention keeps all", async () => {
  const logs = new BuildLogs(join(folder, "all"), -1);
  for (let number = 0; number < 9; number += 1) {
    await logs.begin("ubuntu", id(number));
    await logs.end("ubuntu", id(number));
  }
  assert.equal((await readdir(logs.folder)).length, 9);
});

test("a follower gets the log from its beginning and each line as it comes, until the build ends", async () => {
  const logs = new BuildLogs(join(folder, "follow"), 7);
  const writer = await logs.begin("ubuntu", id(1));
  await writer.append("first\n");
  const pieces = logs.follow("ubuntu", id(1), never);
  assert.equal((await pieces.next()).value, "first\n");
  const next = pieces.next();
  await writer.append("second\n");
  assert.equal((await next).value, "second\n");
  const rest = collect(pieces);
  await writer.append("third\n");
  await logs.end("ubuntu", id(1));
  assert.equal(await rest, "third\n");
});

test("the log of a build that has ended is sent whole, in lines", async () => {
  const logs = new BuildLogs(join(folder, "whole"), 7);
  const writer = await logs.begin("ubuntu", id(1));
  const text = Array.from({ length: 20_000 }, (_, number) => `line ${number} ä\n`).join("");
  await writer.append(text);
  await logs.end("ubuntu", id(1));
  const pieces: string[] = [];
  for await (const piece of logs.follow("ubuntu", id(1), never)) pieces.push(piece);
  assert.equal(pieces.join(""), text);
  assert.ok(pieces.length > 1 && pieces.every((piece) => piece.endsWith("\n")));
});

test("a line without an end, as a progress bar draws it, is sent in pieces that fit into messages", async () => {
  const logs = new BuildLogs(join(folder, "endless"), 7);
  const writer = await logs.begin("ubuntu", id(1));
  const text = `first\n${"⣿ 12.3 %\r".repeat(100_000)}\nlast\n`;
  await writer.append(text);
  await logs.end("ubuntu", id(1));
  const pieces: string[] = [];
  for await (const piece of logs.follow("ubuntu", id(1), never)) pieces.push(piece);
  assert.equal(pieces.join(""), text);
  const longest = Math.max(...pieces.map((piece) => piece.length));
  assert.ok(longest < 128 * 1024, `a piece of ${longest} characters`);
});

test("a follower that is cancelled ends", async () => {
  const logs = new BuildLogs(join(folder, "cancel"), 7);
  await logs.begin("ubuntu", id(1));
  const cancel = new AbortController();
  const rest = collect(logs.follow("ubuntu", id(1), cancel.signal));
  setTimeout(() => cancel.abort(), 50);
  assert.equal(await rest, "");
  await logs.end("ubuntu", id(1));
});

test("a folder that cannot be written is named with the remedy", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  const logs = new BuildLogs(join(file, "logs"), 7);
  await assert.rejects(
    logs.begin("ubuntu", id(1)),
    /cannot write the build log in .*file\/logs: .*build-log-dir/,
  );
});
