import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { until } from "../../../../test/harness/launcher.ts";
import { systemClock } from "../../../std/clock.ts";
import { silentLogger } from "../../../std/logger.ts";
import { generateSshKey } from "../../ssh_keys.ts";
import { greets } from "../container/free_port.ts";
import { NodeServers } from "./node_servers.ts";
import { type InstanceRecord, instanceRecords, writeWhole } from "./records.ts";

const NAME = "np0000000001";

describe("the server of a node", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-servers-"));
  const records = instanceRecords(folder);
  const record = (port: number): InstanceRecord => ({
    engine: "process",
    state: "running",
    metadata: {},
    image: "img",
    resources: {},
    pid: process.pid,
    port,
  });
  before(async () => {
    await records.write(NAME, record(0));
    const { privateKey } = await generateSshKey("ed25519");
    await writeWhole(join(records.path(NAME), "host_keys.json"), JSON.stringify([privateKey]));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Servers, how often they have begun to wait for a port, and what ends the first wait. */
  const openServers = () => {
    const first = Promise.withResolvers<void>();
    const waits: number[] = [];
    const sleep = async (milliseconds: number, signal?: AbortSignal) => {
      waits.push(milliseconds);
      if (waits.length === 1) await first.promise;
      else signal?.throwIfAborted();
    };
    const servers = new NodeServers(records, {
      runner: { isolation: "none", run: () => Promise.reject(new Error("nothing is run here")) },
      logger: silentLogger,
      clock: { ...systemClock, sleep },
    });
    return { servers, waits, endWait: () => first.resolve() };
  };
  /** A port that somebody else listens on. */
  const takePort = async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await records.write(NAME, record(port));
    return { port, free: () => new Promise((resolve) => taken.close(resolve)) };
  };

  it("listens again as soon as its port is free", async () => {
    const { port, free } = await takePort();
    const { servers, endWait } = openServers();
    await servers.resume(NAME, port);
    await free();
    endWait();
    await until("it listens", () => servers.has(NAME));
    assert.equal(await greets(port, 60_000), true);
    await servers.closeAll();
  });

  it("does not wait for its port any more when the node was made anew at another", async () => {
    const { port, free } = await takePort();
    const { servers, waits, endWait } = openServers();
    await servers.resume(NAME, port);
    await records.write(NAME, record(await servers.open(NAME, 0)));
    endWait();
    await servers.closeAll();
    assert.equal(waits.length, 1);
    await free();
  });

  it("is closed when another one takes its place", async () => {
    const { servers } = openServers();
    const first = await servers.open(NAME, 0);
    await servers.open(NAME, 0);
    assert.equal(await greets(first, 60_000), false);
    await servers.closeAll();
  });
});
