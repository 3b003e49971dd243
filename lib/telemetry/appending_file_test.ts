import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { appendingFile, type LogGap } from "./appending_file.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-log-"));
const path = join(folder, "nodepool.log");
const gaps: LogGap[] = [];
const open = () => appendingFile(path, (gap) => gaps.push(gap));
const text = () => readFileSync(path, "utf8");

beforeEach(() => {
  rmSync(path, { recursive: true, force: true });
  gaps.length = 0;
});
after(() => rmSync(folder, { recursive: true }));

test("lines go to the end of the file, which only its owner may read", () => {
  open().write("one\n");
  open().write("two\nthree\n");
  assert.equal(text(), "one\ntwo\nthree\n");
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("where the file was moved away, a new one is begun", () => {
  const file = open();
  file.write("one\n");
  renameSync(path, `${path}.1`);
  file.write("two\n");
  assert.equal(text(), "two\n");
});

test("lines that the file does not take are lost, and it is told how many and why", () => {
  const file = open();
  mkdirSync(path);
  file.write("one\n");
  file.write("two\nthree\n");
  assert.equal(gaps.length, 0);
  rmdirSync(path);
  file.write("four\n");
  assert.equal(gaps.length, 1);
  assert.equal(gaps[0]?.lines, 3);
  assert.match(gaps[0]?.problem ?? "", /EISDIR|Is a directory/);
  file.write("five\n");
  assert.equal(text(), "\nfour\nfive\n");
  assert.equal(gaps.length, 1);
});
