import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../test/harness/launcher.ts";
import { parseConfig } from "../config/load.ts";
import { type LogFields, type Logger, silentLogger } from "../std/logger.ts";
import { manualClock } from "../zookeeper/contract/manual_clock.ts";
import { startEmbeddedServer } from "../zookeeper/embedded/server.ts";
import { openServiceContext } from "./context.ts";

test("a running daemon that has lost ZooKeeper says every 15 seconds what it waits for, until it ends", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-absence-"));
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  const { clock, advance } = manualClock();
  const servers: unknown[] = [];
  const warn = (message: string, fields: LogFields = {}) => {
    if (message.startsWith("waiting for ZooKeeper")) servers.push(fields.servers);
  };
  const logger: Logger = { ...silentLogger, warn, child: () => logger };
  const place = `127.0.0.1:${server.port}`;
  const opened = await openServiceContext({
    logger,
    clock,
    hostname: "host",
    version: "1",
    newUuid: () => "00000000-0000-4000-8000-000000000000",
    config: parseConfig(`zookeeper-servers: [{host: 127.0.0.1, port: ${server.port}}]\n`, "nodepool.yaml"),
    signal: new AbortController().signal,
  });
  try {
    await server.close();
    await until("it is noticed", () => opened.context.session.state !== "connected");
    advance(60_000, 1000);
    assert.deepEqual(servers, [place, place, place, place]);
  } finally {
    await opened.close();
    rmSync(dataDir, { recursive: true });
  }
  advance(60_000, 1000);
  assert.equal(servers.length, 4, "it has ended");
});
