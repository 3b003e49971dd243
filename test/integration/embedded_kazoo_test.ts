// Python's kazoo, the client library of Nodepool and Zuul, works with the embedded server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { PROJECT } from "../harness/program.ts";

const PYTHON = "/usr/bin/python3";
const hasKazoo = existsSync("/usr/lib/python3/dist-packages/kazoo");
const options = { skip: hasKazoo ? false : "Debian's package python3-kazoo is not installed" };

let server: EmbeddedServer;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "nodepool-embedded-"));
  server = await startEmbeddedServer({
    dataDir: join(directory, "data"),
    logger: silentLogger,
    sessionTimeouts: { minimum: 500, maximum: 40_000 },
  });
});

after(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

/** Runs a Python program against the server; hears each line that it writes. */
async function python(args: readonly string[], onLine: (line: string) => void = () => {}): Promise<void> {
  const child = spawn(PYTHON, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ZK_HOSTS: `127.0.0.1:${server.port}`, PYTHONDONTWRITEBYTECODE: "1" },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 90_000);
  let output = "";
  child.stderr.on("data", (chunk) => {
    output += String(chunk);
  });
  let line = "";
  child.stdout.on("data", (chunk) => {
    const lines = `${line}${chunk}`.split("\n");
    line = lines.pop() ?? "";
    lines.forEach(onLine);
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  assert.equal(code, 0, output);
}

const kazoo = (name: string, onLine?: (line: string) => void) =>
  python([join(PROJECT, "test/integration/kazoo_cases.py"), `127.0.0.1:${server.port}`, name], onLine);

test("kazoo creates, reads, changes and deletes znodes", options, () => kazoo("nodes"));

test("kazoo's transactions succeed and fail as a whole", options, () => kazoo("transactions"));

test("kazoo's locks go from one client to the next, also when the holder dies", options, () =>
  kazoo("locks"),
);

test("kazoo's watches and caches hear of each change, also after a lost connection", options, () =>
  kazoo("watches"),
);

test("a persistent recursive watch hears of everything below, in order", options, () =>
  kazoo("recursive_watch"),
);

test("kazoo notices that its session has expired and begins a new one", options, async () => {
  let expired = 0;
  await kazoo("expiry", (line) => {
    const [, id] = /^SESSION (\d+)$/.exec(line) ?? [];
    if (id !== undefined && server.expireSession(BigInt(id))) expired++;
  });
  assert.equal(expired, 1);
});

test("kazoo waits for a lock of our own client, and ours for kazoo's", options, async () => {
  const session = connectSession({
    servers: [{ host: "127.0.0.1", port: server.port }],
    sessionTimeoutMs: 40_000,
    logger: silentLogger,
  });
  await session.connected();
  const locks = createLocks(session);
  const held = await locks.acquire("/shared/lock", { createParents: true });
  assert.ok(held);
  let again: ReturnType<typeof locks.acquire> | undefined;
  await kazoo("wait_for_lock", (line) => {
    if (line === "WAITING") void held.release();
    if (line === "HELD") again = locks.acquire("/shared/lock", { timeout: 30_000 });
  });
  const second = await again;
  assert.ok(second);
  await second.release();
  assert.deepEqual(await session.children("/shared/lock"), []);
  await session.close();
});

test("a whole tree is read by a Python program", options, async () => {
  const session = connectSession({
    servers: [{ host: "127.0.0.1", port: server.port }],
    sessionTimeoutMs: 40_000,
    logger: silentLogger,
  });
  await session.connected();
  await session.ensurePath("/nodepool/nodes");
  const id = await session.create(
    "/nodepool/nodes/",
    new TextEncoder().encode("{}"),
    "persistent-sequential",
  );
  await session.create(`${id}/lock`, new Uint8Array(), "ephemeral");
  const file = join(directory, "dump.json");
  await python([
    "-c",
    `
import json, os
from kazoo.client import KazooClient
zk = KazooClient(hosts=os.environ['ZK_HOSTS'])
zk.start(timeout=30)
out = {}
def walk(path):
    data, stat = zk.get(path)
    out[path] = [data.decode(), stat.version, stat.cversion, bool(stat.ephemeralOwner), stat.numChildren]
    for name in zk.get_children(path):
        walk(path + '/' + name)
walk('/nodepool')
zk.stop()
json.dump(out, open('${file}', 'w'))
`,
  ]);
  await session.close();
  assert.deepEqual(JSON.parse(await readFile(file, "utf8")), {
    "/nodepool": ["", 0, 1, false, 1],
    "/nodepool/nodes": ["", 0, 1, false, 1],
    "/nodepool/nodes/0000000000": ["{}", 0, 1, false, 1],
    "/nodepool/nodes/0000000000/lock": ["", 0, 0, true, 0],
  });
});
