import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import {
  isConflict,
  isZooKeeperError,
  type Locks,
  type Session,
  ZooKeeperError,
} from "../../lib/zookeeper/types.ts";
import type { LockView } from "../../lib/zookeeper/view.ts";
import { startZooKeeper, type ZooKeeperServer } from "../../test/harness/zookeeper.ts";
import { Transaction } from "./transaction.ts";

const DATA = new TextEncoder().encode("data");
const EMPTY: LockView = { exists: true, contenders: [] };
const MISSING: LockView = { exists: false, contenders: [] };

describe("a transaction", () => {
  let server: ZooKeeperServer;
  let session: Session;
  let locks: Locks;
  before(async () => {
    server = await startZooKeeper();
    const { host, port } = server;
    session = connectSession({ servers: [{ host, port }], sessionTimeoutMs: 6000, logger: silentLogger });
    await session.connected();
    locks = createLocks(session);
  });
  after(async () => {
    await session.close();
    await server.close();
  });

  it("takes a lock and writes, or does neither when anybody stands in line", async () => {
    await session.ensurePath("/a/lock");
    const first = new Transaction(session);
    const lock = first.take(locks, "/a/lock", EMPTY);
    const version = first.set("/a", DATA, 0);
    await first.commit();
    assert.equal(version(), 1);
    const second = new Transaction(session);
    second.take(locks, "/a/lock", EMPTY);
    second.set("/a", DATA, 1);
    await assert.rejects(second.commit(), isConflict);
    assert.equal((await session.get("/a")).stat.version, 1);
    await lock().release();
  });

  it("takes a lock over from whoever holds it, or does nothing when that one is gone", async () => {
    await session.ensurePath("/a2/lock");
    const begin = new Transaction(session);
    begin.enterLease("/a2/lock", "0".repeat(32), DATA);
    await begin.commit();
    const [lease = ""] = await session.children("/a2/lock");
    const steps = new Transaction(session);
    const lock = steps.takeOver(locks, "/a2/lock", [lease], "heir");
    await steps.commit();
    assert.deepEqual(await session.children("/a2/lock"), [lock().contender.split("/").at(-1)]);
    const late = new Transaction(session);
    late.takeOver(locks, "/a2/lock", [lease], "late");
    await assert.rejects(late.commit(), isConflict);
    assert.equal((await session.children("/a2/lock")).length, 1);
    await lock().release();
  });

  it("writes nothing under a lock that was lost, nor over a version that was not read", async () => {
    await session.ensurePath("/b");
    const begin = new Transaction(session);
    const lock = begin.take(locks, "/b/lock", MISSING);
    await begin.commit();
    const stale = new Transaction(session);
    stale.guard(lock());
    stale.set("/b", DATA, 7);
    await assert.rejects(stale.commit(), (error) => isZooKeeperError(error, "BAD_VERSION"));
    await session.delete(lock().contender, -1);
    const late = new Transaction(session);
    late.guard(lock());
    late.set("/b", DATA, 0);
    await assert.rejects(late.commit(), (error) => isZooKeeperError(error, "NO_NODE"));
    assert.equal((await session.get("/b")).stat.version, 0);
  });

  it("proves that nobody holds a lock and leaves it as it was", async () => {
    await session.ensurePath("/c");
    const first = new Transaction(session);
    first.proveFree("/c/lock", MISSING);
    await first.commit();
    assert.equal(await session.exists("/c/lock"), null);
    const held = await locks.acquire("/c/lock");
    const second = new Transaction(session);
    second.proveFree("/c/lock", EMPTY);
    await assert.rejects(second.commit(), isConflict);
    await held?.release();
    const third = new Transaction(session);
    third.proveFree("/c/lock", EMPTY);
    await third.commit();
    assert.ok(await session.exists("/c/lock"));
  });

  /** The session, whose answers to transactions are lost. */
  const deafSession = (more: Partial<Session> = {}): Session => {
    const deaf: Partial<Session> = {
      signal: session.signal,
      onState: (listener) => session.onState(listener),
      multi: async (operations) => {
        const results = await session.multi(operations);
        if (operations.every(({ kind }) => kind === "check")) return results;
        throw new ZooKeeperError("CONNECTION_LOSS", "the connection broke");
      },
      connected: (signal) => session.connected(signal),
      children: (path) => session.children(path),
      delete: (path, version) => session.delete(path, version),
      ...more,
    };
    return deaf as Session;
  };

  it("leaves no contender behind when the answer is lost after the lock was taken", async () => {
    await session.ensurePath("/d");
    const deaf = deafSession();
    const steps = new Transaction(deaf);
    steps.take(createLocks(deaf), "/d/lock", MISSING);
    steps.set("/d", DATA, 0);
    await assert.rejects(steps.commit(), (error) => isZooKeeperError(error, "CONNECTION_LOSS"));
    assert.deepEqual(await session.children("/d/lock"), []);
    assert.equal((await session.get("/d")).stat.version, 1, "what was written stays, for whoever looks next");
  });

  it("leaves no contender behind when the disk of the server is full meanwhile", async () => {
    await session.ensurePath("/e");
    let refusals = 0;
    const remove: Session["delete"] = async (path, version) => {
      refusals += 1;
      if (refusals === 1) throw new ZooKeeperError("SYSTEM_ERROR", "no space left on device", path);
      await session.delete(path, version);
    };
    const deaf = deafSession({ delete: remove });
    const steps = new Transaction(deaf);
    steps.take(createLocks(deaf), "/e/lock", MISSING);
    await assert.rejects(steps.commit(), (error) => isZooKeeperError(error, "CONNECTION_LOSS"));
    assert.deepEqual(await session.children("/e/lock"), []);
  });

  it("tells when a lock that it may have taken cannot be given back, and gives back the others", async () => {
    await session.ensurePath("/f");
    await session.ensurePath("/g");
    const remove: Session["delete"] = async (path, version) => {
      if (path.startsWith("/f/")) throw new ZooKeeperError("NO_AUTH", "refused", path);
      await session.delete(path, version);
    };
    const deaf = deafSession({ delete: remove });
    const steps = new Transaction(deaf);
    for (const place of ["/f", "/g"]) steps.take(createLocks(deaf), `${place}/lock`, MISSING);
    await assert.rejects(steps.commit(), (error) => isZooKeeperError(error, "NO_AUTH"));
    assert.equal((await session.children("/f/lock")).length, 1);
    assert.deepEqual(await session.children("/g/lock"), []);
  });
});
