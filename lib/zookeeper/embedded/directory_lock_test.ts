import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { DirectoryInUseError, lockDirectory } from "./directory_lock.ts";

const directory = mkdtempSync(join(tmpdir(), "nodepool-lock-"));
const file = join(directory, "server.lock");
after(() => rmSync(directory, { recursive: true }));

test("a directory is taken once, and can be taken again when it was given back", () => {
  const unlock = lockDirectory(directory);
  assert.throws(
    () => lockDirectory(directory),
    (error) => error instanceof DirectoryInUseError && error.message.includes(`process id ${process.pid}`),
  );
  unlock();
  assert.ok(!existsSync(file));
  lockDirectory(directory)();
});

test("the lock of a process that has ended is taken over", async () => {
  const child = spawn("/bin/true");
  await new Promise((resolve) => child.on("exit", resolve));
  writeFileSync(file, `${child.pid} 1\n`);
  const unlock = lockDirectory(directory);
  assert.ok(readFileSync(file, "utf8").startsWith(`${process.pid} `));
  unlock();
});

test("a process that has the number of the one that ended does not count", () => {
  // As in a container, where the server is process 1 each time.
  writeFileSync(file, `${process.pid} 1\n`);
  lockDirectory(directory)();
});

test("a lock that was never written to the end is taken over", () => {
  writeFileSync(file, "");
  lockDirectory(directory)();
});
