import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import {
  LONGEST_SESSION_MS,
  PATIENCE_MS,
  text,
  textOf,
  until,
  within,
} from "../../lib/zookeeper/contract/fixture.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { leaderOf, startEnsemble, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";

describe("an ensemble of three ZooKeeper servers", { skip }, () => {
  let servers: ZooKeeperServer[] = [];
  const sessions: ZooKeeperSession[] = [];

  before(async () => {
    servers = await startEnsemble(3, { longestSessionMs: LONGEST_SESSION_MS });
  });
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.close()));
  });

  async function connect(only = servers): Promise<ZooKeeperSession> {
    const session = connectSession({
      servers: only,
      sessionTimeoutMs: LONGEST_SESSION_MS,
      logger: silentLogger,
    });
    sessions.push(session);
    await within(PATIENCE_MS, session.connected(), "connect");
    return session;
  }

  it("keeps session, lock and view when the leader dies", async () => {
    const session = await connect();
    const view = openView(session, silentLogger);
    await view.ready();
    await session.ensurePath("/nodepool/nodes");
    const lock = await createLocks(session).acquire("/nodepool/nodes/0000000001/lock", {
      createParents: true,
    });
    assert.ok(lock);
    const { sessionId } = session;
    const fallen = await leaderOf(servers);
    await fallen.stop({ hard: true });
    // Calls in the gap may fail: they are repeated, and the guard tells whether the lock is still ours.
    await until(async () => {
      const write = {
        kind: "set",
        path: "/nodepool/nodes/0000000001",
        data: text("{}"),
        version: -1,
      } as const;
      return session.multi([lock.guard(), write]).then(
        () => true,
        () => false,
      );
    }, "the ensemble to serve again");
    assert.equal(session.sessionId, sessionId);
    assert.ok(!lock.signal.aborted);
    await within(PATIENCE_MS, view.settled(), "the view to settle");
    assert.match(view.node("0000000001")?.problem ?? "", /0000000001/);
    assert.equal(view.node("0000000001")?.lock.contenders.length, 1);
    await lock.release();
    await view.close();
    await fallen.restart();
  });

  it("says without a quorum that it may have none, and serves again when it has", async () => {
    const [left, ...others] = servers;
    assert.ok(left);
    await Promise.all(others.map((server) => server.stop({ hard: true })));
    const session = connectSession({ servers: [left], sessionTimeoutMs: 2000, logger: silentLogger });
    sessions.push(session);
    // The one that is left takes a while to notice: until then it accepts a session that it cannot make.
    const message = async () => String(await session.exists("/").catch((error: unknown) => error));
    await until(async () => /its ensemble may have no quorum/.test(await message()), "the reason to be told");
    await Promise.all(others.map((server) => server.restart()));
    await within(PATIENCE_MS, session.connected(), "connect");
    assert.ok(await session.exists("/"));
  });

  it("sees on one server after a sync what was written on another", async () => {
    const writers = await Promise.all(servers.map((server) => connect([server])));
    const [first] = writers;
    assert.ok(first);
    await first.create("/shared", text("0"), "persistent");
    for (let round = 1; round <= 30; round += 1) {
      const [writer, reader] = [writers[round % 3], writers[(round + 1) % 3]];
      assert.ok(writer && reader);
      await writer.set("/shared", text(String(round)), -1);
      await reader.sync("/shared");
      assert.equal(textOf((await reader.get("/shared")).data), String(round));
    }
  });
});
