import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeldLock, Locks, Session } from "../../lib/zookeeper/types.ts";
import { takeLock } from "./kept_lock.ts";

const ROOT = "/nodepool/images/ubuntu/builds/lock";
const LOCK = { root: ROOT } as HeldLock;

/** Takes a lock whose time runs out so many times, while these are in line for it. */
async function take(timeouts: number, line: readonly string[]): Promise<HeldLock | null> {
  let left = timeouts;
  const locks = { acquire: async () => (left-- > 0 ? null : LOCK) } as unknown as Locks;
  const session = { connected: async () => {}, children: async () => line } as unknown as Session;
  return await takeLock({ session, locks, hostname: "host" }, ROOT, 1000, new AbortController().signal);
}

test("a lock that did not come in time is somebody else's when somebody is in line for it", async () => {
  assert.equal(await take(1, ["0123__lock__0000000007"]), null);
});

test("a lock that did not come in time, with nobody in line, is waited for again: there was no connection", async () => {
  assert.equal(await take(2, []), LOCK);
});
