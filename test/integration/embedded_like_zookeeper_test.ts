// The embedded server and a real ZooKeeper are asked the same things, byte for byte, and must answer alike.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { errorCode, opCode } from "../../lib/zookeeper/embedded/wire.ts";
import { TestClient } from "../harness/embedded_client.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";
import {
  check,
  create,
  randomScript,
  read,
  readTypes,
  remove,
  type Step,
  set,
  several,
  transcript,
  withPathAndInt,
} from "./embedded_requests.ts";

const options = { skip: zooKeeperInstalled ? false : "Debian's package zookeeper is not installed" };
let real: ZooKeeperServer;
let embedded: EmbeddedServer;
let directory: string;

before(async () => {
  if (!zooKeeperInstalled) return;
  directory = await mkdtemp(join(tmpdir(), "nodepool-embedded-"));
  embedded = await startEmbeddedServer({ dataDir: directory, logger: silentLogger });
  real = await startZooKeeper();
});

after(async () => {
  if (!zooKeeperInstalled) return;
  await real.close();
  await embedded.close();
  await rm(directory, { recursive: true });
});

async function compare(script: readonly Step[], watcher: readonly Step[] = []): Promise<void> {
  const expected = await transcript(real.port, script, watcher);
  const actual = await transcript(embedded.port, script, watcher);
  for (const [index, line] of expected.entries()) assert.deepEqual(actual[index], line);
  assert.equal(actual.length, expected.length);
}

test("creating, reading, changing and deleting", options, async () => {
  await compare([
    ...readTypes.map((type) => read(type, "/")),
    create("/crud"),
    create("/crud", "again"),
    create("/crud/a", "1"),
    create("/crud/a/b", "2", 0, opCode.create2),
    ...readTypes.map((type) => read(type, "/crud")),
    ...readTypes.map((type) => read(type, "/crud/nothing")),
    set("/crud/a", "3"),
    set("/crud/a", "4", 1),
    set("/crud/a", "5", 1),
    set("/crud/a", null),
    read(opCode.getData, "/crud/a"),
    set("/crud/nothing", "6"),
    remove("/crud/a"),
    remove("/crud/a/b", 7),
    remove("/crud/a/b", 0),
    ...readTypes.map((type) => read(type, "/crud/a")),
    remove("/crud/a"),
    remove("/crud/a"),
    ...readTypes.map((type) => read(type, "/crud")),
    { type: opCode.sync, name: "sync", write: (writer) => writer.string("/crud") },
  ]);
});

test("sequence numbers", options, async () => {
  await compare([
    create("/sequence"),
    create("/sequence/plain"),
    create("/sequence/s-", "", 2),
    create("/sequence/", "", 2),
    remove("/sequence/plain"),
    create("/sequence/s-", "", 2),
    create("/sequence/e-", "", 3),
    read(opCode.exists, "/sequence"),
    several([create("/sequence/m-", "", 2), create("/sequence/m-", "", 2), create("/sequence/nothing/x")]),
    several([create("/sequence/m-", "", 2), create("/sequence/m-", "", 3), remove("/sequence/s-0000000001")]),
    read(opCode.getChildren2, "/sequence"),
  ]);
});

test("ephemerals have an owner and no children", options, async () => {
  await compare(
    [
      create("/owner"),
      create("/owner/e", "", 1),
      create("/owner/e/child"),
      create("/owner/e/child-", "", 2),
      read(opCode.exists, "/owner/e"),
      several([create("/owner/f", "", 1), create("/owner/f/child")]),
    ],
    [withPathAndInt(opCode.addWatch, "/owner", 1)],
  );
});

test("bad paths, flags and versions", options, async () => {
  const paths = [
    "",
    "x",
    "/",
    "//",
    "/a/",
    "/a//b",
    "/./a",
    "/../a",
    "/a\u0000b",
    "/a\u0001b",
    "/ä",
    "/a\ue000",
  ];
  await compare([
    create("/bad"),
    ...paths.flatMap((path) => [create(path), set(path, ""), remove(path), several([check(path)])]),
    // (An empty path is the root to a real server that reads; no client sends one.)
    ...paths.slice(1).flatMap((path) => readTypes.map((type) => read(type, path))),
    ...[4, 5, 6, 7, -1, 99].map((flags) => create("/bad/flags", "", flags)).slice(1),
    ...["/", "/zookeeper", "/zookeeper/quota"].map((path) => remove(path)),
    set("/bad", "", -2),
    remove("/bad", 5),
  ]);
});

test("transactions", options, async () => {
  await compare([
    several([]),
    several([create("/multi"), create("/multi/a", "1"), set("/multi/a", "2", 0), check("/multi/a", 1)]),
    several([create("/multi/b", "", 0, opCode.create2), set("/multi/b", "x"), remove("/multi/b")]),
    several([create("/multi/c"), check("/multi/a", 9), remove("/multi/a")]),
    several([check("/multi/nothing"), check("/multi/a")]),
    several([remove("/multi/a"), remove("/multi")]),
    several([create("/multi/a"), remove("/multi/a")]),
    several([check("/multi/a", 1)]),
    several([set("/multi/a", "3"), set("/multi/a", "4", 2), set("/multi/a", "5", 2)]),
    read(opCode.getChildren2, "/multi"),
    read(opCode.getData, "/multi/a"),
    several(
      [
        read(opCode.getData, "/multi/a"),
        read(opCode.getChildren, "/multi"),
        read(opCode.getData, "/multi/z"),
      ],
      opCode.multiRead,
    ),
  ]);
});

test("watches that fire once", options, async () => {
  await compare([
    read(opCode.exists, "/once", true),
    read(opCode.getData, "/once", true),
    create("/once"),
    set("/once", "nobody waits any more"),
    read(opCode.getData, "/once", true),
    read(opCode.exists, "/once", true),
    set("/once", "1"),
    read(opCode.getChildren, "/once", true),
    create("/once/a"),
    create("/once/b"),
    read(opCode.getChildren2, "/once", true),
    read(opCode.getData, "/once", true),
    several([create("/once/c"), set("/once", "2"), remove("/once/a"), remove("/once/b"), remove("/once/c")]),
    read(opCode.getChildren2, "/once", true),
    read(opCode.getData, "/once", true),
    withPathAndInt(opCode.checkWatches, "/once", 1),
    withPathAndInt(opCode.checkWatches, "/once", 2),
    withPathAndInt(opCode.checkWatches, "/twice", 3),
    remove("/once"),
    read(opCode.exists, "/once", true),
    withPathAndInt(opCode.removeWatches, "/once", 1),
    withPathAndInt(opCode.removeWatches, "/once", 2),
    withPathAndInt(opCode.removeWatches, "/once", 3),
    create("/once"),
  ]);
});

test("persistent and recursive watches", options, async () => {
  await compare(
    [
      create("/persistent"),
      create("/persistent/a", "", 1),
      set("/persistent", "1"),
      several([create("/persistent/b"), create("/persistent/b/c", "", 1), set("/persistent/b", "2")]),
      remove("/persistent/b/c"),
      create("/recursive"),
      create("/recursive/a"),
      create("/recursive/a/b", "", 1),
      set("/recursive/a/b", "1"),
      remove("/recursive/a/b"),
      several([remove("/recursive/a"), remove("/recursive")]),
      create("/recursiveNot"),
      withPathAndInt(opCode.addWatch, "/recursive", 2),
    ],
    [
      withPathAndInt(opCode.addWatch, "/persistent", 0),
      withPathAndInt(opCode.addWatch, "/recursive", 1),
      withPathAndInt(opCode.removeWatches, "/nothing", 3),
    ],
  );
});

test("watches that are set again after a reconnect", options, async () => {
  const setWatches = (type: number, zxid: bigint, lists: readonly (readonly string[])[]): Step => ({
    type,
    name: `setWatches ${JSON.stringify(lists)}`,
    write: (writer) => {
      writer.long(zxid);
      for (const list of lists) writer.vector(list, (path) => writer.string(path));
    },
  });
  await compare([
    create("/again"),
    create("/again/a"),
    setWatches(opCode.setWatches, 0n, [
      ["/again", "/gone"],
      ["/again", "/new"],
      ["/again", "/gone"],
    ]),
    setWatches(opCode.setWatches, 1n << 40n, [["/again"], [], ["/again"]]),
    create("/new"),
    set("/again", "1"),
    create("/again/b"),
    set("/again", "2"),
    setWatches(opCode.setWatches2, 0n, [[], [], [], ["/again"], ["/again/a"]]),
    set("/again", "3"),
    create("/again/a/c"),
  ]);
});

/** What a server answers to one kind of handshake after another. */
async function handshakes(port: number): Promise<unknown[]> {
  const first = await TestClient.start(port, { timeout: 8_000 });
  const { sessionId, password } = first;
  const shape = async (client: TestClient | null, end: "close" | "disconnect") => {
    if (!client) return "closed without an answer";
    const session =
      client.sessionId === sessionId ? "the same" : client.sessionId === 0n ? "none" : "a new one";
    const { timeout, trailing } = client;
    const passwordBytes = client.password.length;
    if (timeout === 0) await client.closed;
    else await client[end]();
    return { session, timeout, trailing, passwordBytes };
  };
  const again = { sessionId, password, timeout: 8_000 };
  const lines = [
    await shape(await TestClient.open(port, { timeout: 8_000, readOnlyByte: false }), "close"),
    await shape(await TestClient.open(port, { sessionId: 77n }), "close"),
    await shape(await TestClient.open(port, { ...again, password: new Uint8Array(16) }), "close"),
    await shape(await TestClient.open(port, { ...again, lastZxidSeen: 1n << 50n }), "close"),
    await shape(await TestClient.open(port, again), "disconnect"),
  ];
  await first.closed;
  return [
    ...lines,
    await shape(await TestClient.open(port, again), "close"),
    await shape(await TestClient.open(port, again), "close"),
  ];
}

test(
  "handshakes: new, expired, wrong password, from another future, again, after the end",
  options,
  async () => {
    assert.deepEqual(await handshakes(embedded.port), await handshakes(real.port));
  },
);

test("credentials of an unknown scheme end the connection", options, async () => {
  for (const { port } of [real, embedded]) {
    const client = await TestClient.start(port);
    const authenticate = (scheme: string) =>
      client.call(opCode.auth, (writer) => writer.int(0).string(scheme).buffer(Buffer.from("a:b")), -4);
    assert.equal((await authenticate("digest")).error, errorCode.ok);
    assert.equal((await authenticate("nonsense")).error, errorCode.authFailed);
    await client.closed;
  }
});

for (const seed of [1, 2, 3]) {
  test(`random requests, seed ${seed}`, options, async () => {
    const root = `/random${seed}`;
    await compare(
      [create(root), ...randomScript(seed, root, 500)],
      [withPathAndInt(opCode.addWatch, root, 1), withPathAndInt(opCode.addWatch, "/", 0)],
    );
  });
}
