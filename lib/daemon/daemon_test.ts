// A daemon that is stopped while it is busy; daemons as processes of their own are in test/integration/daemon_test.ts.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CompatServiceDefinition } from "nice-grpc";
import { SERVICE_DEFINITIONS } from "../rpc/late_service.ts";
import { rpcService } from "../rpc/service.ts";
import { silentLogger } from "../std/logger.ts";
import { until, within } from "../zookeeper/contract/fixture.ts";
import { startEmbeddedServer } from "../zookeeper/embedded/server.ts";
import { runDaemon } from "./daemon.ts";
import type { DaemonProcess } from "./process.ts";

/** Far below the grace, after which the process would be ended by force. */
const PROMPT_MS = 20_000;

interface World {
  readonly host: DaemonProcess;
  /** What has happened. */
  readonly events: string[];
  /** Sends a signal to the daemon. */
  send(signal: "SIGHUP" | "SIGTERM"): void;
  /** Writes its file, with this label. */
  write(label: string): void;
  close(): Promise<void>;
}

/** A process for a daemon, its file and its ZooKeeper. */
async function world(...flags: string[]): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-daemon-"));
  const server = await startEmbeddedServer({ dataDir: join(folder, "zk"), port: 0, logger: silentLogger });
  const file = join(folder, "nodepool.yaml");
  const signals = new EventEmitter();
  const events: string[] = [];
  const write = (label: string) =>
    writeFileSync(
      file,
      `zookeeper-servers: [{host: 127.0.0.1, port: ${server.port}}]\nlabels: [{name: ${label}}]\n`,
    );
  write("one");
  return {
    host: {
      argv: [
        "node",
        "main.ts",
        "-c",
        file,
        "--listen",
        `unix:${join(folder, "socket")}`,
        "--grace",
        "60",
        ...flags,
      ],
      env: {},
      pid: 1,
      stdout: { write: () => true, writableLength: 0, on: () => {} },
      stderr: { write: (text) => events.push(text), on: () => {} },
      on: (event, listener) => signals.on(event, listener),
      exit: (code) => events.push(`exit ${code}`),
    },
    events,
    send: (signal) => void signals.emit(signal, signal),
    write,
    close: async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

test("a daemon that takes another configuration while it is stopped ends its service all the same", async () => {
  const { host, events, send, write, close } = await world();
  // As a launcher whose provider has changed: a call that was begun with the old one is brought to its end first.
  const call = Promise.withResolvers<{ released: Promise<void> }>();
  const start = async () => {
    events.push("started");
    return {
      rpc: SERVICE_DEFINITIONS.builder.map((definition) =>
        rpcService(definition as CompatServiceDefinition, {}),
      ),
      reconfigure: () => {
        events.push("reconfigure");
        return call.promise;
      },
      stop: async () => {
        events.push("stop");
        call.resolve({ released: Promise.resolve() });
      },
    };
  };
  try {
    const ended = runDaemon({ name: "builder", process: host, start });
    await until(() => events.includes("started"), "the start");
    write("two");
    send("SIGHUP");
    await until(() => events.includes("reconfigure"), "the change");
    send("SIGTERM");
    await within(PROMPT_MS, ended, "the end");
    assert.deepEqual(events, ["started", "reconfigure", "stop", "exit 0"]);
  } finally {
    await close();
  }
});

test("a daemon that is stopped while its start waits for ZooKeeper ends in order", async () => {
  const { host, events, send, close } = await world();
  const start = () => {
    events.push("started");
    return new Promise<never>(() => {});
  };
  try {
    const ended = runDaemon({ name: "builder", process: host, start });
    await until(() => events.includes("started"), "the start");
    send("SIGTERM");
    await within(PROMPT_MS, ended, "the end");
    assert.deepEqual(events, ["started", "exit 0"]);
  } finally {
    await close();
  }
});

test("a daemon removes its pid file when it ends, but not one that another has written over it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-pid-"));
  try {
    for (const pid of ["1\n", "2\n"]) {
      const file = join(folder, "daemon.pid");
      const { host, events, send, close } = await world("-p", file);
      const start = () => {
        events.push("started");
        return new Promise<never>(() => {});
      };
      const ended = runDaemon({ name: "builder", process: host, start });
      await until(() => events.includes("started"), "the start");
      assert.equal(readFileSync(file, "utf8"), "1\n");
      writeFileSync(file, pid);
      send("SIGTERM");
      await within(PROMPT_MS, ended, "the end");
      assert.equal(existsSync(file), pid !== "1\n", `with ${pid}`);
      await close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
