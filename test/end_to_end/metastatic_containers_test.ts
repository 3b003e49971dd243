// The example with slots, as its readers run it: real ZooKeeper, a builder, two launchers, containers beneath the slots.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { type PodmanService, startPodmanService } from "../../lib/provider/local/podman_service.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, type Program, runProgram, startProgram } from "../harness/program.ts";
import { makeRootfs, type Rootfs, writeBuildCommand } from "../harness/rootfs.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const PATIENCE_MS = 120_000;
/** Between looks by command: each is a process. */
const PAUSE_MS = 1000;
const needsRoot = process.getuid?.() === 0 ? false : "a container engine with storage of its own needs root";

/** A node as `nodepool --output json list` shows it. */
interface ListedNode {
  readonly name: string;
  readonly labels: readonly string[];
  readonly backingNode?: string;
  readonly slot?: number;
  readonly sharedBy?: string;
}

/** A launcher as a process, and the command that speaks to it. */
interface Launcher {
  readonly program: Program;
  readonly cli: (...words: string[]) => ReturnType<typeof runProgram>;
}

describe("slots on containers, with two launchers", { skip: needsRoot }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-slots-"));
  const config = join(folder, "nodepool.yaml");
  const launchers: Launcher[] = [];
  let zookeeper: ZooKeeperServer | undefined;
  let podman: PodmanService | null = null;
  let rootfs: Rootfs | undefined;
  let builder: Program | undefined;

  const launcher = (index: number): Launcher => {
    const found = launchers[index];
    assert.ok(found);
    return found;
  };
  const list = async (index: number): Promise<readonly ListedNode[]> => {
    const { code, stdout, stderr } = await launcher(index).cli("--output", "json", "list");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as ListedNode[];
  };
  /** Runs a command on a slot of its own; what it has written. */
  const run = async (index: number, command: string): Promise<string> => {
    const { code, stdout, stderr } = await launcher(index).cli("request", "slot", "--", command);
    assert.equal(code, 0, `${stderr}\n${launcher(index).program.output().slice(-3000)}`);
    return stdout.trim();
  };

  before(async () => {
    zookeeper = await startZooKeeper();
    podman = await startPodmanService({
      directory: join(folder, "podman"),
      env: {},
      logger: silentLogger,
      evenIfSocket: true,
    });
    assert.ok(podman, "podman does not start (package podman)");
    rootfs = await makeRootfs();
    const example = readFileSync(`${PROJECT}/examples/nodepool-metastatic.yaml`, "utf8")
      .replace("disk-image-create -n", await writeBuildCommand(folder, rootfs))
      .replace("host: localhost", `host: ${zookeeper.host}`)
      .replace("port: 2181", `port: ${zookeeper.port}`)
      .replace("engine: container", `engine: container\n    socket: ${podman.socket}`)
      .replace("grace-time: 60", "grace-time: 600")
      .replaceAll("/var/lib/nodepool", `${folder}/lib`)
      .replaceAll("/var/log/nodepool", `${folder}/log`)
      .replace("elements-dir: elements", `elements-dir: ${PROJECT}/examples/elements`);
    writeFileSync(config, example);
    const builderAddress = `127.0.0.1:${await freePort()}`;
    const env = {
      // The root file system lets its own key in.
      NODEPOOL_AUTHORIZED_KEYS: "none",
      NODEPOOL_BUILDER_ADDRESS: builderAddress,
      NODEPOOL_SSH_KEY: rootfs.privateKeyFile,
    };
    builder = startProgram("services/builder/main.ts", ["-c", config, "--listen", builderAddress], env);
    for (let count = 0; count < 2; count += 1) {
      const address = `127.0.0.1:${await freePort()}`;
      const program = startProgram("services/launcher/main.ts", ["-c", config, "--listen", address], env);
      const own = { ...env, NODEPOOL_LAUNCHER_ADDRESS: address };
      launchers.push({ program, cli: (...words) => runProgram("services/cli/main.ts", words, own) });
    }
    await until(
      "an image at the provider",
      async () => /\| ready/.test((await launcher(0).cli("image-list")).stdout),
      PATIENCE_MS,
      PAUSE_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${builder?.output().slice(-5000)}`);
    });
  });

  after(async () => {
    const programs = [builder, ...launchers.map(({ program }) => program)];
    await Promise.allSettled(programs.map((program) => program?.stop()));
    await podman?.stop();
    await zookeeper?.close();
    await rootfs?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("jobs of both launchers follow each other on one container", async () => {
    assert.equal(await run(0, "echo first >/tmp/mark; cat /tmp/mark"), "first");
    assert.equal(await run(1, "echo second >>/tmp/mark; cat /tmp/mark"), "first\nsecond");
    const hosts = (await list(0)).filter(({ labels }) => labels.includes("host"));
    assert.deepEqual(
      hosts.map(({ sharedBy }) => sharedBy),
      ["slots"],
    );
  });

  it("jobs at once get slots of their own, two on each container", async () => {
    const jobs = [0, 1, 0, 1].map((index) =>
      run(index, "while ! test -e /tmp/go; do sleep 0.1; done; id -un"),
    );
    const slots = await until(
      "four jobs on slots",
      async () => {
        const found = (await list(1)).filter(({ labels, backingNode }) => {
          return labels.includes("slot") && (backingNode ?? "") !== "";
        });
        return found.length === 4 ? found : null;
      },
      PATIENCE_MS,
      PAUSE_MS,
    );
    assert.equal(new Set(slots.map(({ backingNode, slot = 0 }) => `${backingNode} ${slot}`)).size, 4);
    const hosts = new Map(slots.map(({ backingNode, name }) => [backingNode, name]));
    assert.equal(hosts.size, 2);
    // A file on one of its slots is on the container, for all.
    for (const name of hosts.values()) {
      const { code, stderr } = await launcher(1).cli("ssh", name, "--", "touch", "/tmp/go");
      assert.equal(code, 0, stderr);
    }
    assert.deepEqual(await Promise.all(jobs), ["zuul", "zuul", "zuul", "zuul"]);
  });

  it("a launcher goes on when the other is killed, and lets idle containers go after another grace time", async () => {
    assert.equal(await run(0, "echo before >/tmp/mark"), "");
    await launcher(0).program.stop("SIGKILL");
    assert.match(await run(1, "cat /tmp/mark"), /before/);
    writeFileSync(config, readFileSync(config, "utf8").replace("grace-time: 600", "grace-time: 1"));
    await until("nothing is left", async () => (await list(1)).length === 0, PATIENCE_MS, PAUSE_MS);
  });
});
