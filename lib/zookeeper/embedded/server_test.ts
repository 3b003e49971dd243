import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestClient } from "../../../test/harness/embedded_client.ts";
import { silentLogger } from "../../std/logger.ts";
import { manualClock } from "../contract/manual_clock.ts";
import type { Faults, ReplyFault } from "./faults.ts";
import { type EmbeddedServer, type EmbeddedServerOptions, startEmbeddedServer } from "./server.ts";
import { errorCode, opCode } from "./wire.ts";

const root = mkdtempSync(join(tmpdir(), "nodepool-embedded-"));
let directories = 0;
let faults: Faults;
let server: EmbeddedServer;
let clients: TestClient[];

/** `faults` can be exchanged while the server runs. */
const start = (more: Partial<EmbeddedServerOptions> = {}) =>
  startEmbeddedServer({
    dataDir: join(root, String(directories)),
    logger: silentLogger,
    sessionTimeouts: { minimum: 200, maximum: 40_000 },
    faults: {
      beforeRequest: (request) => faults.beforeRequest?.(request) ?? "accept",
      beforeReply: (request) => faults.beforeReply?.(request) ?? "deliver",
      beforeLogWrite: () => faults.beforeLogWrite?.() ?? null,
    },
    ...more,
  });

beforeEach(async () => {
  directories++;
  faults = {};
  clients = [];
  server = await start();
});
afterEach(async () => {
  for (const client of clients) await client.disconnect();
  await server.close();
});
after(() => rmSync(root, { recursive: true }));

async function client(
  handshake: Parameters<typeof TestClient.start>[1] = {},
  { port } = server,
): Promise<TestClient> {
  const started = await TestClient.start(port, handshake);
  clients.push(started);
  return started;
}

/** Gives the replies to one type of request a fault, once. */
function failOnce(type: number, fault: ReplyFault): void {
  faults = {
    beforeReply: (request) => {
      if (request.type !== type) return "deliver";
      faults = {};
      return fault;
    },
  };
}

/** What an administrator's command is answered. */
const ask = (port: number, word: string) =>
  new Promise<string>((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(word));
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("close", () => resolve(answer));
  });

test("a dropped reply: the write was carried out, the next call is answered", async () => {
  const one = await client();
  failOnce(opCode.create, "drop");
  const reply = one.request(opCode.create, (writer) => {
    writer.string("/a").buffer(null);
    writer.vector([31], (permissions) => writer.int(permissions).string("world").string("anyone")).int(0);
  });
  assert.notEqual(await one.exists("/a"), null);
  await one.disconnect();
  assert.equal(await reply, null);
});

test("a connection closed in place of the reply: the write was carried out", async () => {
  const one = await client();
  failOnce(opCode.setData, "close");
  await one.create("/a");
  await assert.rejects(one.set("/a", "written"), /ended without a reply/);
  assert.equal(await (await client()).get("/a"), "written");
});

test("half a reply, then the end", async () => {
  const one = await client();
  await one.create("/a", "x".repeat(1_000));
  failOnce(opCode.getData, "half");
  await assert.rejects(one.get("/a"), /ended without a reply/);
});

test("a delayed reply comes late, and those after it in their order", async () => {
  const one = await client();
  await one.create("/a", "1");
  failOnce(opCode.getData, { delayMilliseconds: 200 });
  const begin = performance.now();
  const order: string[] = [];
  await Promise.all([
    one.get("/a").then(() => order.push("get")),
    one.exists("/a").then(() => order.push("exists")),
  ]);
  assert.deepEqual(order, ["get", "exists"]);
  assert.ok(performance.now() - begin >= 195);
});

test("a throttled request is not carried out", async () => {
  const one = await client();
  faults = { beforeRequest: ({ type }) => (type === opCode.create ? "throttle" : "accept") };
  assert.equal((await one.create("/a")).error, errorCode.throttled);
  assert.equal(await one.exists("/a"), null);
});

test("an expired session loses connection and ephemerals, and cannot come back", async () => {
  const [one, two] = [await client(), await client()];
  await one.create("/e", "", 1);
  await two.exists("/e", true);
  assert.equal(server.expireSession(one.sessionId), true);
  assert.equal(server.expireSession(one.sessionId), false);
  await one.closed;
  assert.equal(await two.exists("/e"), null);
  assert.deepEqual(two.events, [{ type: 2, path: "/e" }]);
  const again = await client({ sessionId: one.sessionId, password: one.password });
  assert.equal(again.timeout, 0);
});

test("a silent client's session expires, a pinging one's does not", async () => {
  const { clock, advance } = manualClock();
  const own = await start({ dataDir: join(root, "silent"), clock });
  const [silent, pinging] = [await client({ timeout: 300 }, own), await client({ timeout: 300 }, own)];
  await silent.create("/silent", "", 1);
  await pinging.create("/pinging", "", 1);
  for (let round = 0; round < 8; round++) {
    advance(100);
    await pinging.call(opCode.ping, () => {}, -2);
  }
  assert.equal(await pinging.exists("/silent"), null);
  assert.notEqual(await pinging.exists("/pinging"), null);
  await own.close();
});

test("after a restart clients come back to their sessions; who does not, loses them", async () => {
  const { clock, advance } = manualClock();
  const options = { dataDir: join(root, "again"), clock };
  let own = await start(options);
  const one = await client({ timeout: 600 }, own);
  const two = await client({ timeout: 600 }, own);
  await one.create("/one", "", 1);
  await two.create("/two", "", 1);
  await own.close();
  own = await start(options);
  const { sessionId, password } = one;
  const again = await client({ sessionId, password, timeout: 5_000 }, own);
  assert.equal(again.sessionId, sessionId);
  advance(599);
  assert.notEqual(await again.exists("/two"), null);
  advance(1);
  assert.notEqual(await again.exists("/one"), null);
  assert.equal(await again.exists("/two"), null);
  await own.close();
});

test("the second connection of a session ends the first", async () => {
  const one = await client();
  const again = await client({ sessionId: one.sessionId, password: one.password });
  await one.closed;
  assert.equal((await again.create("/a")).error, errorCode.ok);
});

test("a full disk: nothing is acknowledged that is not written, reads go on, and it recovers", async () => {
  const one = await client();
  await one.create("/a", "before");
  await one.get("/a", true);
  faults = { beforeLogWrite: () => new Error("no space left on device") };
  await assert.rejects(one.set("/a", "lost"), /ended without a reply/);
  assert.deepEqual(one.events, []);
  const again = await client({ sessionId: one.sessionId, password: one.password });
  assert.equal(again.sessionId, one.sessionId);
  assert.equal(await again.get("/a"), "before");
  assert.equal((await again.set("/a", "refused")).error, errorCode.systemError);
  assert.equal(await TestClient.open(server.port), null);
  faults = {};
  while ((await again.set("/a", "after")).error !== errorCode.ok) await sleep(50);
  assert.equal(await (await client()).get("/a"), "after");
});

test("a frame over the limit, or none at all, ends its connection and no other", async () => {
  const one = await client();
  for (const bytes of [
    Buffer.from([0x00, 0x10, 0x00, 0x00]),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(4),
  ]) {
    const bad = await client();
    bad.sendRaw(bytes);
    await bad.closed;
  }
  assert.equal((await one.call(opCode.create, () => {})).error, errorCode.marshallingError);
  assert.equal((await one.call(4711)).error, errorCode.unimplemented);
  assert.equal((await one.create("/a", "x".repeat(1_000_000))).error, errorCode.ok);
});

test("who connects and asks for no session is shown out after 10 s, who has one stays", async () => {
  const { clock, advance, timers } = manualClock();
  const own = await start({ dataDir: join(root, "strangers"), clock });
  const idle = timers();
  const sockets = [connect(own.port, "127.0.0.1"), connect(own.port, "127.0.0.1")];
  const ended = Promise.all(sockets.map((socket) => once(socket, "close")));
  await Promise.all(sockets.map((socket) => once(socket.resume(), "connect")));
  sockets[1]?.write(Buffer.from([0]));
  const one = await TestClient.start(own.port, { timeout: 40_000 });
  clients.push(one);
  const connections = async () => /^zk_num_alive_connections\t(\d+)$/m.exec(await ask(own.port, "mntr"))?.[1];
  advance(9_999);
  assert.equal(await connections(), "4", "with the one that asks");
  advance(1);
  assert.equal(await connections(), "2");
  await ended;
  assert.notEqual(await one.exists("/"), null);
  await one.disconnect();
  await own.close();
  assert.ok(timers() <= idle, `${timers()} timers are left, there were ${idle}`);
});

test("a client that does not read its replies is not read from, and gets them all later", async () => {
  const one = await client();
  await one.create("/a", "x".repeat(1_000_000));
  let carriedOut = 0;
  faults = {
    beforeRequest: ({ type }) => {
      if (type === opCode.getData) carriedOut++;
      return "accept";
    },
  };
  one.pauseReading();
  const replies = Promise.all(Array.from({ length: 60 }, () => one.get("/a")));
  await sleep(300);
  assert.ok(carriedOut < 30, `${carriedOut} MB wait for a client that does not read`);
  assert.equal(await (await client()).get("/nothing"), null);
  one.resumeReading();
  for (const reply of await replies) assert.equal(reply?.length, 1_000_000);
});

test("a stopped server has answered what it carried out", async () => {
  const one = await client();
  const replies = Array.from({ length: 20 }, (_, index) => one.create(`/n${index}`));
  await Promise.race(replies);
  await server.close();
  const answered = (await Promise.allSettled(replies)).filter(({ status }) => status === "fulfilled").length;
  server = await start();
  assert.equal((await (await client()).exists("/"))?.numChildren, 1 + answered);
});

test("other ACLs than the open one are invalid, for every kind of znode", async () => {
  const one = await client();
  const create = (type: number, flags: number, scheme: string) =>
    one.call(type, (writer) => {
      writer.string("/a").buffer(null);
      writer.vector([31], (permissions) => writer.int(permissions).string(scheme).string("anyone"));
      writer.int(flags).long(1_000n);
    });
  assert.equal((await create(opCode.createContainer, 4, "digest")).error, errorCode.invalidAcl);
  assert.equal((await create(opCode.createTtl, 5, "digest")).error, errorCode.invalidAcl);
  assert.equal((await create(opCode.create, 0, "digest")).error, errorCode.invalidAcl);
  assert.equal(await one.exists("/a"), null);
});

test("administrators' commands are answered", async () => {
  const one = await client();
  await one.create("/e", "", 1);
  assert.equal(await ask(server.port, "ruok"), "imok");
  assert.match(await ask(server.port, "srvr"), /^Zxid: 0x2$/m);
  assert.match(await ask(server.port, "srvr"), /^Mode: standalone$/m);
  assert.match(await ask(server.port, "envi"), /^zookeeper\.version=3\.8\.0/m);
  assert.match(await ask(server.port, "stat"), /^Clients:$/m);
  assert.match(await ask(server.port, "mntr"), /^zk_ephemerals_count\t1$/m);
});

test("a second server on the directory is refused, as is a directory that cannot be used", async () => {
  await assert.rejects(start(), /is in use by the server with process id \d+/);
  const file = join(root, "file");
  writeFileSync(file, "");
  await assert.rejects(
    start({ dataDir: join(file, "data") }),
    /cannot keep ZooKeeper's data in .*file\/data/,
  );
});

test("a port that is taken is named, and the directory is given back", async () => {
  const dataDir = join(root, "port");
  await assert.rejects(
    start({ dataDir, port: server.port }),
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${server.port}: .*EADDRINUSE`),
  );
  await (await start({ dataDir })).close();
});
