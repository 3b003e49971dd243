// A fleet of three launchers in front of one container engine, used by a client that does what Zuul's scheduler does.
// One launcher is killed in the middle, whatever it is at: nobody may lose a request or get a node twice, and nothing may
// be left. (zuul_takeover_test.ts kills launchers that have just this or that in hand.)
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { type PodmanService, startPodmanService } from "../../lib/provider/local/podman_service.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { freePort } from "../harness/ports.ts";
import { type Program, runCommand, runProgram, startProgram } from "../harness/program.ts";
import { makeRootfs, type Rootfs, writeBuildCommand } from "../harness/rootfs.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { ZuulScheduler } from "../harness/zuul_scheduler.ts";

const skip = process.getuid?.() === 0 ? false : "a container engine with storage of its own needs root";
/** A machine that has much else to do takes twelve times as long. */
const PATIENCE_MS = 240_000;
/** How many nodes each job wants: those that come first, which fill the pool, and those that wait then. */
const FIRST = [2, 1, 1, 2];
const REST = [2, 1, 1, 1];
const ROOM = 6;

describe("three launchers that serve Zuul", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-fleet-"));
  const launchers: Program[] = [];
  let podman: PodmanService;
  let rootfs: Rootfs;
  let zookeeper: ZooKeeperServer;
  let builder: Program | undefined;
  let addresses: string[];
  let zuul: ZuulScheduler | undefined;

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
    zuul?.kill();
    await Promise.all([...launchers, builder].map((program) => program?.stop("SIGTERM").catch(() => null)));
    await podman?.stop();
    await zookeeper?.close();
    await rootfs?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("answer every request once, in the order that Zuul wants last, while one of them is killed", async () => {
    const scheduler = new ZuulScheduler(zookeeper.connectString, "tiny");
    zuul = scheduler;
    for (const [job, size] of FIRST.entries()) await scheduler.ask(job, size);
    await scheduler.untilServed(FIRST.length);
    const rest = REST.map((_, at) => FIRST.length + at);
    for (const [at, job] of rest.entries()) await scheduler.ask(job, REST[at] ?? 0);
    // The pool is full, so nobody has these in hand. The last one is to be the first.
    for (const job of rest) assert.ok(await scheduler.revise(job, -job), `job ${job} was not revised`);
    const [last, ...others] = rest.toReversed();
    assert.ok(last !== undefined);
    // Of the nodes of one job that come back, one other job at a time gets what it wants.
    for (const [count, job] of [1, 2, 0, 3].entries()) {
      await scheduler.giveBack(job);
      if (job === 0) await launchers[0]?.stop("SIGKILL");
      await scheduler.untilServed(FIRST.length + count + 1);
    }
    assert.deepEqual(scheduler.served.slice(FIRST.length), [last, ...others]);
    await scheduler.hold(last);
    for (const job of others) await scheduler.giveBack(job);
    await scheduler.release(last);
    await scheduler.end();
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
