// A world with nodes that share others, in which a launcher, as a process of its own, kills itself at a checkpoint, and
// another one goes on.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shareOf } from "../../lib/model/shared_node.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import { type TestLauncher, until } from "./launcher.ts";
import { LauncherCase } from "./launcher_case.ts";
import { shared } from "./metastatic.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";
import { type UsedNode, ZuulHand } from "./zuul_hand.ts";

const PATIENCE_MS = 90_000;
const LABELS = { share: { "grace-time": 1 }, lost: { "backing-label": "nowhere" } };

/** Where a launcher is killed. */
export interface CrashPlace {
  readonly checkpoint: Checkpoint;
  /** When it comes there for this time. */
  readonly time: number;
  /** Which scan for host keys finds nobody; 0: each finds the node. */
  readonly unreachable: number;
}

/** One ZooKeeper tree, one cloud, the launcher to be killed, and the one that goes on. */
export class SharedCrashWorld {
  readonly #case: LauncherCase;
  readonly #zuul: ZuulHand;
  readonly #cloud: FakeCloud;
  readonly #cloudServer: CloudServer;
  readonly #victim: Program;
  readonly #succession: Promise<TestLauncher | null>;
  #isClosed = false;

  static async open(server: ZooKeeperServer, folder: string, place: CrashPlace): Promise<SharedCrashWorld> {
    const one = await LauncherCase.begin(server, "cloud");
    const cloud = new FakeCloud();
    const cloudServer = await serveCloud(cloud);
    const file = join(folder, `${place.checkpoint.replace(":", "-")}-${place.time}.yaml`);
    await writeFile(file, configText(one, cloudServer.address));
    const words = ["-c", file, "--listen", `127.0.0.1:${await freePort()}`];
    const victim = startProgram("test/harness/crashing_launcher.ts", words, {
      NODEPOOL_TEST_CRASH_AT: place.checkpoint,
      NODEPOOL_TEST_CRASH_TIME: String(place.time),
      NODEPOOL_TEST_UNREACHABLE: String(place.unreachable),
    });
    return new SharedCrashWorld(one, new ZuulHand(await one.session()), cloud, cloudServer, victim);
  }

  private constructor(
    one: LauncherCase,
    zuul: ZuulHand,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
  ) {
    this.#case = one;
    this.#zuul = zuul;
    this.#cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#victim = victim;
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  async #succeed(): Promise<TestLauncher | null> {
    await this.#victim.ended(PATIENCE_MS);
    if (this.#isClosed) return null;
    const setting = shared(new FakeProvider("cloud", this.#cloud), LABELS, {
      hostKeyChecking: true,
      launchRetries: 2,
    });
    return await this.#case.launcher(setting, { cleanupIntervalMs: 500 });
  }

  /** Three nodes at a time on backing nodes with two slots, until all is given back. */
  async fillAndEmpty(): Promise<void> {
    const used: UsedNode[] = [];
    for (let count = 0; count < 3; count += 1) used.push(await this.#zuul.use(await this.#zuul.ask("share")));
    const shares = used.map(({ id, record }) => {
      const share = shareOf(record);
      assert.ok(share, `node ${id} has no share`);
      return share;
    });
    const places = shares.map(({ backingNode, slot }) => `slot ${slot} of ${backingNode}`);
    assert.equal(new Set(places).size, 3, `a slot was given twice: ${places}`);
    assert.equal(new Set(shares.map(({ backingNode }) => backingNode)).size, 2, `a slot was lost: ${places}`);
    for (const node of used) await this.#zuul.giveBack(node);
  }

  /** A node whose backing node cannot be had. */
  async failForWantOfABackingNode(): Promise<void> {
    const request = await this.#zuul.ask("lost");
    const { state, nodes } = await this.#zuul.answered(request);
    assert.deepEqual([state, nodes], ["failed", []]);
    await this.#zuul.withdraw(request);
  }

  /** Waits until nothing is left: no node, no request, no machine. */
  async settled(): Promise<void> {
    const launcher = await this.#succession;
    assert.ok(launcher);
    const left = () => [
      ...[...launcher.view.nodes()].map(({ id, record }) => `node ${id} ${record?.state}`),
      ...[...launcher.view.requests()].map(({ id }) => `request ${id}`),
      ...[...this.#cloud.instances.values()].map(({ name }) => `instance ${name}`),
    ];
    await until("nothing is left", () => left().length === 0, PATIENCE_MS).catch((error: Error) => {
      throw new Error(`${error.message}: ${left()}`);
    });
    const { made } = this.#cloud;
    assert.equal(new Set(made).size, made.length, `a launch was begun anew instead of resumed: ${made}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#victim.stop("SIGKILL").catch(() => {});
    await this.#succession.catch(() => {});
    await this.#case.end();
    await this.#cloudServer.close();
  }
}

function configText(one: LauncherCase, cloud: string): string {
  return `
zookeeper-servers: [{host: ${one.server.host}, port: ${one.server.port}, chroot: ${one.chroot}}]
zookeeper-timeout: 2
labels: [{name: large}, {name: share}, {name: lost}, {name: nowhere}]
diskimages: [{name: image}]
providers:
- name: cloud
  driver: fake
  cloud: ${cloud}
  diskimages: [{name: image}]
  pools: [{name: main, labels: [{name: large, diskimage: image}]}]
- name: meta
  driver: metastatic
  launch-retries: 2
  pools:
  - name: main
    host-key-checking: true
    labels:
    - {name: share, backing-label: large, max-parallel-jobs: 2, grace-time: 1}
    - {name: lost, backing-label: nowhere}
`;
}
