// Daemons as processes of their own: what they say about bad input, when they serve, and how they end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { freePort } from "../harness/ports.ts";
import {
  PROJECT,
  type Program,
  runCommand,
  runProgram,
  runtimeCommand,
  startProgram,
} from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const LAUNCHER = "services/launcher/main.ts";
const withoutZooKeeper = zooKeeperInstalled ? false : "needs Debian's package zookeeper";
const folder = mkdtempSync(join(tmpdir(), "nodepool-daemon-"));
let zookeeper: ZooKeeperServer | null = null;

before(async () => {
  if (zooKeeperInstalled) zookeeper = await startZooKeeper();
});

after(async () => {
  await zookeeper?.close();
  rmSync(folder, { recursive: true });
});

/** The part of a .cpuprofile file that is looked at. */
interface CpuProfile {
  readonly startTime: number;
  readonly endTime: number;
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function config(port: number): string {
  const file = join(folder, `nodepool-${port}.yaml`);
  writeFileSync(
    file,
    `zookeeper-servers:\n  - host: 127.0.0.1\n    port: ${port}\nlabels: []\nproviders: []\n`,
  );
  return file;
}

async function health(address: string): Promise<string> {
  const url = `http://${address}/grpc.health.v1.Health/Check`;
  const { stdout } = await runCommand(join(PROJECT, "node_modules/.bin/buf"), [
    "curl",
    "--protocol",
    "grpc",
    "--http2-prior-knowledge",
    "-d",
    "{}",
    url,
  ]);
  return JSON.parse(stdout).status;
}

async function untilHealth(address: string, wanted: string): Promise<void> {
  const limit = performance.now() + 120_000;
  for (let seen = ""; seen !== wanted; seen = await health(address)) {
    assert.ok(performance.now() < limit, `health is ${seen}, not ${wanted}`);
  }
}

/** Sends a signal and resolves with the exit code. (Deno's `child.kill` would hide it.) */
async function stop(daemon: Program, signal: "SIGTERM" | "SIGINT"): Promise<number | null> {
  process.kill(daemon.pid, signal);
  return await daemon.ended();
}

test("wrong flags are one sentence and exit code 2", async () => {
  const { code, stderr } = await runProgram(LAUNCHER, ["--nonsense"]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^nodepool-launcher: Unknown option '--nonsense'\nTry 'nodepool-launcher --help'\.\n$/,
  );
});

test("a missing and a broken configuration are told with all that is wrong, and exit code 78", async () => {
  const missing = await runProgram(LAUNCHER, ["-c", join(folder, "none.yaml")]);
  assert.equal(missing.code, 78);
  assert.match(missing.stderr, /none\.yaml: does not exist/);
  const file = join(folder, "broken.yaml");
  writeFileSync(file, "labels: 7\nproviders: [{name: [1]}]\n");
  const broken = await runProgram(LAUNCHER, ["-c", file]);
  assert.equal(broken.code, 78);
  const problems = broken.stderr.split("\n").filter((line) => line.includes("broken.yaml:"));
  assert.ok(problems.length >= 2, broken.stderr);
});

test("a port in use is one sentence and exit code 69", async () => {
  const taken = createServer();
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, "127.0.0.1", () => resolve((taken.address() as { port: number }).port));
  });
  const { code, stderr } = await runProgram(LAUNCHER, ["-c", config(1), "--listen", `127.0.0.1:${port}`]);
  taken.close();
  assert.equal(code, 69);
  assert.match(
    stderr,
    /^nodepool-launcher: cannot listen on 127\.0\.0\.1:\d+: another process is listening there/,
  );
});

test("while ZooKeeper is away a daemon says so, is not healthy, and can be stopped", async () => {
  const [away, port] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${port}`;
  const daemon = startProgram(LAUNCHER, ["-c", config(away), "--listen", address]);
  await daemon.waitFor(/waiting for ZooKeeper.*/);
  assert.ok(daemon.output().includes(`127.0.0.1:${away}`));
  assert.equal(await health(address), "NOT_SERVING");
  const list = await runProgram("services/cli/main.ts", ["--address", address, "list"]);
  assert.equal(list.code, 69);
  assert.match(
    list.stderr,
    /^nodepool: nodepool-launcher is starting: it waits for ZooKeeper at 127\.0\.0\.1:/,
  );
  assert.equal(await stop(daemon, "SIGTERM"), 0);
});

test("a wish to read the configuration again does not end a daemon that is still starting", async () => {
  const [away, port] = [await freePort(), await freePort()];
  const daemon = startProgram(LAUNCHER, ["-c", config(away), "--listen", `127.0.0.1:${port}`]);
  await daemon.waitFor(/"listening"/);
  process.kill(daemon.pid, "SIGHUP");
  await daemon.waitFor(/waiting for ZooKeeper.*/);
  assert.equal(await stop(daemon, "SIGTERM"), 0);
});

test("a daemon outlives the reader of its log", async () => {
  const port = await freePort();
  const [program, ...words] = runtimeCommand(LAUNCHER);
  const daemon = spawn(program, [...words, "-c", config(await freePort()), "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => daemon.once("exit", resolve));
  await once(daemon.stdout, "data");
  daemon.stdout.destroy();
  assert.equal(await health(`127.0.0.1:${port}`), "NOT_SERVING");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.equal(await health(`127.0.0.1:${port}`), "NOT_SERVING");
  process.kill(daemon.pid ?? 0, "SIGTERM");
  assert.equal(await ended, 0);
});

test("a launcher serves, loses ZooKeeper, finds it again, and ends in order", {
  skip: withoutZooKeeper,
}, async () => {
  assert.ok(zookeeper);
  const address = `127.0.0.1:${await freePort()}`;
  const pidfile = join(folder, "launcher.pid");
  const daemon = startProgram(LAUNCHER, [
    "-c",
    config(zookeeper.port),
    "--listen",
    address,
    "-p",
    pidfile,
    "--log-format",
    "text",
  ]);
  await daemon.waitFor(/INFO nodepool-launcher: serving/);
  await untilHealth(address, "SERVING");
  assert.equal(readFileSync(pidfile, "utf8"), `${daemon.pid}\n`);
  const list = await runProgram("services/cli/main.ts", ["list"], { NODEPOOL_LAUNCHER_ADDRESS: address });
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /^\+-+\+/);

  await zookeeper.stop();
  await untilHealth(address, "NOT_SERVING");
  await zookeeper.restart();
  await untilHealth(address, "SERVING");

  assert.equal(await stop(daemon, "SIGINT"), 0);
  assert.match(daemon.output(), /INFO nodepool-launcher: stopped\n$/);
  assert.equal(existsSync(pidfile), false);
});

test("a launcher profiles itself from one SIGUSR2 to the next, says where the profile is, and serves all the while", {
  skip: withoutZooKeeper,
}, async () => {
  assert.ok(zookeeper);
  const address = `127.0.0.1:${await freePort()}`;
  const args = ["-c", config(zookeeper.port), "--listen", address];
  const daemon = startProgram(LAUNCHER, args, { TMPDIR: folder });
  try {
    await daemon.waitFor(/"serving"/);
    process.kill(daemon.pid, "SIGUSR2");
    await daemon.waitFor(/cpu profile started/);
    await untilHealth(address, "SERVING");
    process.kill(daemon.pid, "SIGUSR2");
    const [, file = ""] = await daemon.waitFor(/"file":"([^"]+)","msg":"cpu profile written/);
    assert.equal(file, join(folder, `nodepool-launcher-${daemon.pid}-1.cpuprofile`));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
    assert.ok(profile.startTime < profile.endTime);
    // A tree of functions, and which of them ran when: what the developer tools of a browser show.
    const ids = new Set(profile.nodes.map(({ id }) => id));
    assert.ok(profile.samples.length > 0 && profile.samples.every((id) => ids.has(id)));
    assert.equal(profile.timeDeltas.length, profile.samples.length);
    assert.ok(profile.nodes.some(({ callFrame }) => callFrame.functionName === "(root)"));
    await untilHealth(address, "SERVING");
    assert.equal(await stop(daemon, "SIGTERM"), 0);
  } finally {
    await daemon.stop("SIGKILL");
  }
});
