import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { until } from "../../test/harness/launcher.ts";
import { hasEnded, identityOf, isOfEarlierBoot, isRunning } from "./process_identity.ts";

const isLinux = process.platform === "linux";

test("a process lives until it has ended", { skip: !isLinux }, async () => {
  const child = spawn("sleep", ["300"]);
  await once(child, "spawn");
  const identity = identityOf(child.pid ?? 0);
  assert.ok(identity);
  assert.equal(hasEnded(identity), false);
  assert.equal(isRunning(identity), true);
  const ended = once(child, "exit");
  process.kill(child.pid ?? 0, "SIGKILL");
  await ended;
  // Deno tells of the exit a little before the process is gone.
  await until("it is gone", () => hasEnded(identity));
  assert.equal(hasEnded(identity), true);
  assert.equal(isRunning(identity), false);
});

test("another process with the same number is another one", { skip: !isLinux }, () => {
  const own = identityOf(process.pid) ?? "";
  assert.equal(hasEnded(own), false);
  assert.equal(hasEnded(own.replace(/\d+$/, "1")), true);
});

test("of a process on another host, or in another container, nothing is known", { skip: !isLinux }, () => {
  const own = identityOf(process.pid) ?? "";
  const [boot = "", namespace = "", ...rest] = own.split("/");
  assert.equal(hasEnded([boot.replace(/./, "x"), namespace, ...rest].join("/")), false);
  assert.equal(hasEnded([boot, `${namespace}x`, "999999999", "1"].join("/")), false);
  assert.equal(isRunning([boot, `${namespace}x`, ...rest].join("/")), false);
});

test("a process of this host that is of another boot is of an earlier one", { skip: !isLinux }, () => {
  const own = identityOf(process.pid) ?? "";
  assert.equal(isOfEarlierBoot(own), false);
  assert.equal(isOfEarlierBoot(own.replace(/./, "x")), true);
});
