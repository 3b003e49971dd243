import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { systemClock } from "../std/clock.ts";
import { DirectoryInUseError, lockDirectory } from "./directory_lock.ts";
import { identityOf } from "./process_identity.ts";

const directory = mkdtempSync(join(tmpdir(), "nodepool-lock-"));
const file = join(directory, "server.lock");
const isLinux = process.platform === "linux";
after(() => rmSync(directory, { recursive: true }));

const lock = () => lockDirectory(directory, "server", systemClock);
const own = identityOf(process.pid) ?? String(process.pid);
/** Another process with this one's number. */
const other = own.replace(/\d+$/, "1");
const inUse = (error: unknown) =>
  error instanceof DirectoryInUseError && error.message.includes(`process id ${process.pid}`);

test("a directory is taken once, and can be taken again when it was given back", async () => {
  const unlock = await lock();
  await assert.rejects(lock(), inUse);
  unlock();
  assert.ok(!existsSync(file));
  (await lock())();
});

test("the lock of a process that has ended is taken over", async () => {
  const child = spawn("/bin/true");
  await new Promise((resolve) => child.on("exit", resolve));
  writeFileSync(file, `${own.replace(`/${process.pid}/`, `/${child.pid}/`)}\n`);
  const unlock = await lock();
  assert.equal(readFileSync(file, "utf8"), `${own}\n`);
  unlock();
});

test("a process that has the number of the one that ended does not count", { skip: !isLinux }, async () => {
  writeFileSync(file, `${other}\n`);
  (await lock())();
});

test("a lock that was never written to the end is taken over", async () => {
  writeFileSync(file, "");
  (await lock())();
});

test("where nothing but its number is known of a process, it counts", async () => {
  writeFileSync(file, `${process.pid}\n`);
  await assert.rejects(lock(), inUse);
  rmSync(file);
});

describe("the lock of a process in another container", { skip: !isLinux }, () => {
  // The server is process 1 in each of them, as a rule.
  const [boot = "", ...rest] = own.split("/");
  const unseen = [boot, "pid:[1]", ...rest.slice(1)].join("/");

  test("counts while it is touched", async () => {
    const unlock = await lock();
    writeFileSync(file, `${unseen}\n`);
    await assert.rejects(
      lock(),
      /in use by the server with process id \d+ in another container or on another host: /,
    );
    unlock();
  });

  test("is taken over when nobody touches it", async () => {
    writeFileSync(file, `${unseen}\n`);
    (await lock())();
  });
});
