import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { decodeNode, encodeNode, newNode } from "../../lib/model/node.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import {
  LONGEST_SESSION_MS,
  PATIENCE_MS,
  text,
  until,
  within,
} from "../../lib/zookeeper/contract/fixture.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { Kazoo, withoutKazoo } from "../harness/kazoo.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const NODE = "/nodepool/nodes/0000000000";
const LOCK = `${NODE}/lock`;

describe("interop with kazoo", { skip: withoutKazoo }, () => {
  let server: ZooKeeperServer;
  let session: ZooKeeperSession;
  let kazoo: Kazoo;

  before(async () => {
    server = await startZooKeeper({ longestSessionMs: LONGEST_SESSION_MS });
    session = connectSession({
      servers: [server],
      sessionTimeoutMs: LONGEST_SESSION_MS,
      logger: silentLogger,
    });
    await session.ensurePath(NODE);
    kazoo = new Kazoo(server.connectString);
  });
  afterEach(async () => {
    await session.deleteRecursive(LOCK);
  });
  after(async () => {
    await kazoo.close();
    await session.close();
    await server.close();
  });

  it("kazoo waits for our lock and gets it when we give it back", async () => {
    const lock = await createLocks(session).acquire(LOCK, { identifier: "ours" });
    assert.ok(lock);
    assert.equal((await kazoo.do({ do: "acquire", path: LOCK })).taken, false);
    const waiting = kazoo.do({ do: "acquire", path: LOCK, identifier: "theirs", timeout: 30 });
    await until(async () => (await session.children(LOCK)).length === 2, "kazoo to be in line");
    await lock.release();
    assert.equal((await waiting).taken, true);
    assert.deepEqual(await kazoo.do({ do: "contenders", path: LOCK }), { contenders: ["theirs"] });
    await kazoo.do({ do: "release", path: LOCK });
  });

  it("we wait for kazoo's lock and get it when kazoo gives it back", async () => {
    assert.equal((await kazoo.do({ do: "acquire", path: LOCK, identifier: "theirs" })).taken, true);
    const locks = createLocks(session);
    assert.equal(await locks.acquire(LOCK), null);
    assert.equal(await locks.acquire(LOCK, { timeout: 100 }), null);
    const waiting = locks.acquire(LOCK, { identifier: "ours", timeout: PATIENCE_MS });
    await until(async () => (await session.children(LOCK)).length === 2, "us to be in line");
    assert.deepEqual(await kazoo.do({ do: "contenders", path: LOCK }), { contenders: ["theirs", "ours"] });
    await kazoo.do({ do: "release", path: LOCK });
    const lock = await within(PATIENCE_MS, waiting, "the lock to be passed on");
    assert.ok(lock);
    await lock.release();
  });

  it("names and numbers contenders as kazoo does", async () => {
    const taken = await kazoo.do({ do: "acquire", path: LOCK });
    const waiting = createLocks(session).acquire(LOCK, { timeout: PATIENCE_MS });
    await until(async () => (await session.children(LOCK)).length === 2, "us to be in line");
    const names = (await session.children(LOCK)).sort((a, b) => (a.slice(32) < b.slice(32) ? -1 : 1));
    assert.equal(names[0], taken.node);
    for (const [index, name] of names.entries()) {
      assert.match(name, new RegExp(`^[0-9a-f]{32}__lock__000000000${index}$`));
    }
    await kazoo.do({ do: "release", path: LOCK });
    await (await waiting)?.release();
  });

  it("each reads what the other writes", async () => {
    const record = newNode(1.5, { type: ["größe"], provider: "cloud", hostKeys: ["ssh-rsa AAAA"] });
    await session.set(NODE, encodeNode(record), -1);
    const { data } = await kazoo.do({ do: "get", path: NODE });
    assert.deepEqual(JSON.parse(String(data)).type, ["größe"]);
    assert.equal(JSON.parse(String(data)).ssh_port, 22);

    const view = openView(session, silentLogger);
    await view.ready();
    const document = JSON.stringify({ state: "in-use", type: "small", zuul: { kept: true } });
    const { path } = await kazoo.do({
      do: "create",
      path: "/nodepool/nodes/",
      data: document,
      sequence: true,
    });
    const id = String(path).split("/").at(-1) ?? "";
    await until(() => view.node(id) !== undefined, "the node to be seen");
    const seen = view.node(id)?.record;
    assert.deepEqual([seen?.state, seen?.type, seen?.extra], ["in-use", ["small"], { zuul: { kept: true } }]);
    assert.ok(seen);
    await session.set(String(path), encodeNode({ ...seen, state: "used" }), 0);
    const rewritten = decodeNode(text(String((await kazoo.do({ do: "get", path })).data)));
    assert.deepEqual([rewritten.state, rewritten.extra], ["used", { zuul: { kept: true } }]);
    await view.close();
  });

  it("gets the lock when kazoo's process dies, and kazoo when our session ends", async () => {
    assert.equal((await kazoo.do({ do: "acquire", path: LOCK })).taken, true);
    const waiting = createLocks(session).acquire(LOCK, { timeout: PATIENCE_MS });
    await until(async () => (await session.children(LOCK)).length === 2, "us to be in line");
    kazoo.crash();
    const lock = await within(PATIENCE_MS, waiting, "the dead session to end");
    assert.ok(lock);

    kazoo = new Kazoo(server.connectString);
    const next = kazoo.do({ do: "acquire", path: LOCK, timeout: 30 });
    await until(async () => (await session.children(LOCK)).length === 2, "kazoo to be in line");
    await server.expire(session);
    assert.equal((await next).taken, true);
    await until(() => lock.signal.aborted, "our lock to be lost");
    await kazoo.do({ do: "release", path: LOCK });
  });

  it("reads and writes what kazoo has guarded, as the same identity and as no other", async () => {
    const path = `${NODE}/guarded`;
    await kazoo.do({ do: "guard", path, user: "nodepool", password: "pass:word" });
    await assert.rejects(session.get(path), /NO_AUTH: get is not open to us: the znode's ACL.*guarded/);
    const known = connectSession({
      servers: [server],
      sessionTimeoutMs: LONGEST_SESSION_MS,
      logger: silentLogger,
      identities: [{ scheme: "digest", credentials: "nodepool:pass:word" }],
    });
    try {
      assert.equal(new TextDecoder().decode((await known.get(path)).data), "guarded");
      await known.delete(path, -1);
    } finally {
      await known.close();
    }
  });
});
