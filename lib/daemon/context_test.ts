import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../test/harness/launcher.ts";
import { freePort } from "../../test/harness/ports.ts";
import { parseConfig } from "../config/load.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { type Logger, silentLogger } from "../std/logger.ts";
import { startEmbeddedServer } from "../zookeeper/embedded/server.ts";
import { openServiceContext } from "./context.ts";

const CONFIG = `
zookeeper-servers:
  - host: 127.0.0.1
    port: 1
providers:
  - name: elsewhere
    driver: aws
    region-name: eu-west-1
`;

const who = {
  logger: silentLogger,
  clock: systemClock,
  hostname: "host",
  version: "1",
  newUuid: () => "00000000-0000-4000-8000-000000000000",
};

test("a context is connected, current, and names the providers that are not served", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-context-"));
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  try {
    const { context, close } = await openServiceContext({
      ...who,
      config: parseConfig(CONFIG, "nodepool.yaml"),
      signal: new AbortController().signal,
      zookeeper: server,
    });
    try {
      assert.equal(context.session.state, "connected");
      assert.equal(context.view.current, true);
      assert.deepEqual(context.providers, []);
      assert.equal(context.unserved[0]?.name, "elsewhere");
      assert.match(context.unserved[0]?.problem ?? "", /driver 'aws' is not served/);
      assert.deepEqual(await context.session.children("/nodepool/nodes"), []);
    } finally {
      await close();
    }
    assert.equal(context.session.state, "closed");
  } finally {
    await server.close();
    rmSync(dataDir, { recursive: true });
  }
});

test("locks wait by the clock that the context was given", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-context-"));
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  const asked: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (milliseconds, callback) => {
      asked.push(milliseconds);
      return systemClock.after(milliseconds, callback);
    },
  };
  const { context, close } = await openServiceContext({
    ...who,
    clock,
    config: parseConfig(CONFIG, "nodepool.yaml"),
    signal: new AbortController().signal,
    zookeeper: server,
  });
  try {
    const lock = await context.locks.acquire("/nodepool/a-lock", { timeout: 12_345 });
    assert.ok(lock);
    assert.ok(asked.includes(12_345));
  } finally {
    await close();
    await server.close();
    rmSync(dataDir, { recursive: true });
  }
});

test("a tree that was empty is told of, with servers and chroot, and one that was not is not", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-context-"));
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  const text = `zookeeper-servers: [{host: 127.0.0.1, port: ${server.port}, chroot: /zul}]\nproviders: []\n`;
  const config = parseConfig(text, "nodepool.yaml");
  const open = async () => {
    const warnings: unknown[] = [];
    const warn = (message: string, fields: object = {}) => warnings.push([message, fields]);
    const logger: Logger = { ...silentLogger, warn, child: () => logger };
    const { signal } = new AbortController();
    const { close } = await openServiceContext({ ...who, logger, config, signal });
    await close();
    return warnings.filter((warning) => /no Nodepool tree/.test(JSON.stringify(warning)));
  };
  try {
    const [first] = await open();
    assert.match(JSON.stringify(first), new RegExp(`"servers":"127.0.0.1:${server.port}","chroot":"/zul"`));
    assert.deepEqual(await open(), []);
  } finally {
    await server.close();
    rmSync(dataDir, { recursive: true });
  }
});

test("a tree that has gone with its servers' data is made anew", async () => {
  const [first, second] = [0, 1].map(() => mkdtempSync(join(tmpdir(), "nodepool-context-"))) as [
    string,
    string,
  ];
  const port = await freePort();
  const config = parseConfig(
    `zookeeper-servers: [{host: 127.0.0.1, port: ${port}}]\nzookeeper-timeout: 2\n`,
    "nodepool.yaml",
  );
  let server = await startEmbeddedServer({ dataDir: first, port, logger: silentLogger });
  const opened = await openServiceContext({ ...who, config, signal: new AbortController().signal });
  try {
    const { session } = opened.context;
    await server.close();
    server = await startEmbeddedServer({ dataDir: second, port, logger: silentLogger });
    const isThere = async () => (await session.exists("/nodepool/requests").catch(() => null)) !== null;
    await until("the tree", isThere, 30_000);
  } finally {
    await opened.close();
    await server.close();
    for (const folder of [first, second]) rmSync(folder, { recursive: true });
  }
});

test("opening can be given up while ZooKeeper is away", async () => {
  const giveUp = new AbortController();
  const config = parseConfig(CONFIG, "nodepool.yaml");
  const opening = openServiceContext({ ...who, config, signal: giveUp.signal });
  setTimeout(() => giveUp.abort(new Error("stopped by SIGTERM")), 100);
  await assert.rejects(opening, /stopped by SIGTERM/);
});

test("a configuration without ZooKeeper servers is refused", async () => {
  const config = parseConfig("labels: []\n", "nodepool.yaml");
  const opening = openServiceContext({ ...who, config, signal: new AbortController().signal });
  await assert.rejects(opening, /zookeeper-servers: No ZooKeeper servers specified in config/);
});

test("a context goes on with other servers in the same session", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-context-"));
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  const naming = (host: string) =>
    parseConfig(`zookeeper-servers: [{host: ${host}, port: ${server.port}}]`, "nodepool.yaml");
  try {
    const opened = await openServiceContext({
      ...who,
      config: naming("127.0.0.1"),
      signal: new AbortController().signal,
    });
    try {
      const { session } = opened.context;
      const { sessionId } = session;
      const moved = new Promise<void>((resolve) => {
        session.onState((state) => state === "connected" && resolve());
      });
      opened.useServers(naming("localhost"));
      await moved;
      assert.equal(session.sessionId, sessionId);
    } finally {
      await opened.close();
    }
  } finally {
    await server.close();
    rmSync(dataDir, { recursive: true });
  }
});
