// A session that ends on a real server after a write was committed and before its answer has come back.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { refused, text, textOf, until, untilState, within } from "../../lib/zookeeper/contract/fixture.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
/** Longer than any test takes: a session ends when the test ends it, and not because the machine is busy. */
const SESSION_MS = 60_000;
const PATIENCE_MS = 30_000;
const NOTHING = new Uint8Array();
const ROOT = "/place/lock";

describe("a session that ends between commit and answer", { skip }, () => {
  let server: ZooKeeperServer;
  let witness: ZooKeeperSession;
  let proxy: TcpProxy;
  let session: ZooKeeperSession;

  before(async () => {
    server = await startZooKeeper({ longestSessionMs: SESSION_MS });
    witness = connectSession({ servers: [server], sessionTimeoutMs: SESSION_MS, logger: silentLogger });
  });
  after(async () => {
    await witness.close();
    await server.close();
  });

  /** A session whose server's answers can be held back. */
  const open = async () => {
    await witness.ensurePath(ROOT);
    proxy = new TcpProxy(server);
    await proxy.listen();
    session = connectSession({ servers: [proxy], sessionTimeoutMs: SESSION_MS, logger: silentLogger });
    await session.connected();
  };
  afterEach(async () => {
    await session.close();
    await proxy.close();
    await witness.deleteRecursive("/place");
  });

  /**
   * Ends the session, lets its owner hear of it, and waits until it has begun another. The owner is kept away while its
   * session is ended, for it would take it back.
   */
  const expire = async () => {
    const lost = untilState(session, "lost");
    proxy.mode = "cut";
    await server.expire(session);
    proxy.mode = "pass";
    await within(PATIENCE_MS, lost, "the loss to be heard of");
    await within(PATIENCE_MS, session.connected(), "a new session");
  };

  it("has no lock, leaves no contender, and can take the lock anew", async () => {
    await open();
    const locks = createLocks(session);
    const children = session.children.bind(session);
    // The line is read, then comes the creation of our contender: its answer is the first that gets lost.
    session.children = async (path) => {
      const names = await children(path);
      proxy.mode = "deaf";
      return names;
    };
    const acquiring = assert.rejects(locks.acquire(ROOT), /CONNECTION_LOSS|SESSION_EXPIRED/);
    await until(async () => (await witness.children(ROOT)).length === 1, "the contender to be committed");
    session.children = children;
    await expire();
    await within(PATIENCE_MS, acquiring, "the end of the attempt");
    await until(async () => (await witness.children(ROOT)).length === 0, "the contender to go");
    const lock = await locks.acquire(ROOT);
    assert.ok(lock);
    assert.deepEqual(
      (await witness.children(ROOT)).map((name) => `${ROOT}/${name}`),
      [lock.contender],
    );
    await lock.release();
  });

  it("hears that it does not know what became of a write under a lock, and cannot write under it again", async () => {
    await open();
    const lock = await createLocks(session).acquire(ROOT);
    assert.ok(lock);
    const write = (value: string) =>
      session.multi([lock.guard(), { kind: "set", path: "/place", data: text(value), version: -1 }]);
    proxy.mode = "deaf";
    const unanswered = write("committed").then(
      () => "answered",
      (error: { code: string }) => error.code,
    );
    await until(async () => textOf((await witness.get("/place")).data) === "committed", "the commit");
    await expire();
    assert.ok(
      ["CONNECTION_LOSS", "SESSION_EXPIRED"].includes(await within(PATIENCE_MS, unanswered, "the outcome")),
    );
    assert.ok(lock.signal.aborted);
    await refused(write("too late"), "NO_NODE");
    assert.equal(textOf((await witness.get("/place")).data), "committed");
  });

  it("takes no lock by a transaction that waited for others when the session ended", async () => {
    await open();
    const suspended = untilState(session, "suspended");
    proxy.mode = "cut";
    await within(PATIENCE_MS, suspended, "the loss of the connection");
    const outcomes: Promise<string>[] = [];
    for (const name of ["first", "second", "third"]) {
      const { operations } = createLocks(session).prepare(`/place/${name}`);
      outcomes.push(
        session.multi(operations).then(
          () => "done",
          (error: { code: string }) => error.code,
        ),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expire();
    const all = await within(PATIENCE_MS, Promise.all(outcomes), "the outcomes");
    assert.deepEqual(all, ["SESSION_EXPIRED", "SESSION_EXPIRED", "SESSION_EXPIRED"]);
    assert.deepEqual(await witness.children("/place"), ["lock"]);
  });

  it("keeps a znode that was created, and tells its creator that it does not know", async () => {
    await open();
    proxy.mode = "deaf";
    const unanswered = session.create("/place/a", NOTHING, "persistent").then(
      () => "answered",
      (error: { code: string }) => error.code,
    );
    await until(async () => (await witness.exists("/place/a")) !== null, "the commit");
    await expire();
    assert.ok(
      ["CONNECTION_LOSS", "SESSION_EXPIRED"].includes(await within(PATIENCE_MS, unanswered, "the outcome")),
    );
    await refused(session.create("/place/a", NOTHING, "persistent"), "NODE_EXISTS");
  });
});
