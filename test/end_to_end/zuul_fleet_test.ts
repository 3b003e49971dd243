// A fleet of three launchers in front of one container engine, used by a client that does what Zuul's scheduler does.
// One launcher is killed in the middle: nobody may lose a request or get a node twice, and nothing may be left.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { type PodmanService, startPodmanService } from "../../lib/provider/local/podman_service.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, type Program, runCommand, runProgram, startProgram } from "../harness/program.ts";
import { makeRootfs, type Rootfs, writeBuildCommand } from "../harness/rootfs.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const skip = process.getuid?.() === 0 ? false : "a container engine with storage of its own needs root";
const JOBS = 8;
/** A machine that has much else to do takes twelve times as long. */
const PATIENCE_MS = 240_000;
/** What the first half of the jobs takes (every third job wants two nodes): then the pool is full. */
const ROOM = 6;

interface Event {
  readonly event: "taken" | "returned" | "held" | "revised" | "done";
  readonly requests?: number;
  readonly nodes?: readonly string[] | number;
}

describe("three launchers that serve Zuul", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-fleet-"));
  const launchers: Program[] = [];
  let podman: PodmanService;
  let rootfs: Rootfs;
  let zookeeper: ZooKeeperServer;
  let builder: Program | undefined;
  let addresses: string[];
  let zuul: ChildProcess | undefined;

  const nodes = async (address: string) => {
    const env = { NODEPOOL_LAUNCHER_ADDRESS: address };
    const { code, stdout, stderr } = await runProgram(
      "services/cli/main.ts",
      ["--output", "json", "list"],
      env,
    );
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as { name: string; state: string }[];
  };
  const containers = async () => {
    const url = "http://engine/v1.40/containers/json?all=true";
    const { stdout } = await runCommand("curl", ["--silent", "--unix-socket", podman.socket, url]);
    return JSON.parse(stdout) as unknown[];
  };

  before(async () => {
    // Its sessions last up to 20 ticks, and Zuul's has to outlive a busy machine's pauses.
    zookeeper = await startZooKeeper({ tickTime: 2000 });
    rootfs = await makeRootfs();
    const options = { directory: join(folder, "podman"), env: {}, logger: silentLogger, evenIfSocket: true };
    const service = await startPodmanService(options);
    assert.ok(service, "podman does not start (package podman)");
    podman = service;
    const command = await writeBuildCommand(folder, rootfs);
    const config = join(folder, "nodepool.yaml");
    writeFileSync(config, configuration(folder, command, zookeeper, podman.socket));
    addresses = [];
    for (let count = 0; count < 3; count += 1) addresses.push(`127.0.0.1:${await freePort()}`);
    builder = startProgram("services/builder/main.ts", [
      ...["-c", config, "--listen", `127.0.0.1:${await freePort()}`],
    ]);
    await builder.waitFor(/upload ready/, PATIENCE_MS);
    for (const address of addresses) {
      launchers.push(startProgram("services/launcher/main.ts", ["-c", config, "--listen", address]));
    }
    await Promise.all(launchers.map((launcher) => launcher.waitFor(/"serving"/, PATIENCE_MS)));
  });

  after(async () => {
    zuul?.kill("SIGKILL");
    await Promise.all([...launchers, builder].map((program) => program?.stop("SIGTERM").catch(() => null)));
    await podman?.stop();
    await zookeeper?.close();
    await rootfs?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("answer every request once, revised and held ones too, while one of them is killed", async () => {
    const script = `${PROJECT}/test/harness/zuul_scheduler.py`;
    const child = spawn("/usr/bin/python3", [script, zookeeper.connectString, "tiny", String(JOBS)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    zuul = child;
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const events: Event[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as Event;
      events.push(event);
      if (event.event !== "revised") continue;
      // The pool is full and the rest of the requests waits. Now the nodes come back, and a launcher dies over them.
      child.stdin.end("\n");
      await launchers[0]?.stop("SIGKILL");
    }
    assert.equal(await ended, 0, `${complaint}\n${launchers.map((each) => each.output()).join("\n")}`);
    const count = (kind: Event["event"]) => events.filter(({ event }) => event === kind).length;
    assert.ok((events.find(({ event }) => event === "revised")?.requests ?? 0) > 0, "no request was revised");
    assert.deepEqual(
      { taken: count("taken"), returned: count("returned"), held: count("held"), done: count("done") },
      { taken: JOBS, returned: JOBS - 1, held: 1, done: 1 },
    );
  });

  it("leave nothing behind when the work is done", async () => {
    const end = Date.now() + PATIENCE_MS;
    let left = [(await nodes(addresses[1] ?? "")).length, (await containers()).length];
    while (left.some((count) => count > 0) && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      left = [(await nodes(addresses[1] ?? "")).length, (await containers()).length];
    }
    assert.deepEqual(left, [0, 0]);
  });
});

function configuration(folder: string, command: string, server: ZooKeeperServer, socket: string): string {
  return `
zookeeper-servers:
  - host: ${server.host}
    port: ${server.port}
zookeeper-timeout: 6
images-dir: ${folder}/images
build-log-dir: ${folder}/build-logs
labels:
  - name: tiny
diskimages:
  - name: tiny
    dib-cmd: ${command}
    elements: [tiny]
    username: zuul
providers:
  - name: local
    driver: local
    engine: container
    socket: ${socket}
    state-dir: ${folder}/state
    diskimages:
      - name: tiny
    pools:
      - name: main
        max-servers: ${ROOM}
        labels:
          - name: tiny
            diskimage: tiny
`;
}
