// A world with nodes that share others, in which a launcher, as a process of its own, kills itself or stops at a
// checkpoint, and another one goes on.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shareOf } from "../../lib/model/shared_node.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import { type TestLauncher, until } from "./launcher.ts";
import { LauncherCase } from "./launcher_case.ts";
import type { Ending } from "./launcher_crash_victim.ts";
import { shared } from "./metastatic.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { recordsAndLocks, wakeUp } from "./wake.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";
import { type UsedNode, ZuulHand } from "./zuul_hand.ts";

const PATIENCE_MS = 90_000;
const LABELS = { share: { "grace-time": 1 }, lost: { "backing-label": "nowhere" } };

/** Where a launcher ends, and how. */
export interface CrashPlace {
  readonly checkpoint: Checkpoint;
  /** When it comes there for this time. */
  readonly time: number;
  /** Which scan for host keys finds nobody; 0: each finds the node. */
  readonly unreachable: number;
  /** @default SIGKILL */
  readonly ending?: Ending;
}

/** One ZooKeeper tree, one cloud, the launcher that ends, and the one that goes on. */
export class SharedCrashWorld {
  readonly #case: LauncherCase;
  readonly #clients: Clients;
  readonly #ending: Ending;
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
    const address = `127.0.0.1:${await freePort()}`;
    const words = ["-c", file, "--listen", address];
    const { ending = "SIGKILL" } = place;
    const victim = startProgram("test/harness/crashing_launcher.ts", words, {
      NODEPOOL_TEST_CRASH_AT: place.checkpoint,
      NODEPOOL_TEST_CRASH_TIME: String(place.time),
      NODEPOOL_TEST_CRASH_SIGNAL: ending,
      NODEPOOL_TEST_UNREACHABLE: String(place.unreachable),
    });
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    const zuul = new ZuulHand(await one.session());
    return new SharedCrashWorld(one, zuul, cloud, cloudServer, victim, clients, ending);
  }

  private constructor(
    one: LauncherCase,
    zuul: ZuulHand,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
    clients: Clients,
    ending: Ending,
  ) {
    this.#case = one;
    this.#clients = clients;
    this.#ending = ending;
    this.#zuul = zuul;
    this.#cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#victim = victim;
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  async #succeed(): Promise<TestLauncher | null> {
    if (this.#ending === "SIGKILL") await this.#victim.ended(PATIENCE_MS);
    else await this.#victim.waitFor(/^stopped at /m, PATIENCE_MS);
    if (this.#isClosed) return null;
    const setting = shared(new FakeProvider("cloud", this.#cloud), LABELS, {
      hostKeyChecking: true,
      launchRetries: 2,
    });
    return await this.#case.launcher(setting, { cleanupIntervalMs: 500 });
  }

  /**
   * Three nodes at a time on backing nodes with two slots, until all is given back.
   *
   * @param whileInUse done while all three are in use
   */
  async fillAndEmpty(whileInUse: () => Promise<void> = async () => {}): Promise<void> {
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
    await whileInUse();
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

  /** Lets the launcher that was stopped go on, while each node is in use. */
  async wakeUp(): Promise<void> {
    const launcher = await this.#succession;
    assert.ok(launcher);
    const { session, view } = launcher;
    const isInUse = ({ record, lock }: NodeEntry) =>
      record?.state === "in-use" && lock.contenders.length === 1;
    await wakeUp({
      ...{ victim: this.#victim, clients: this.#clients, server: this.#case.server, session, view },
      isQuiet: () => [...view.nodes()].every(isInUse) && [...view.requests()].length === 0,
      state: () => ({ records: recordsAndLocks(view), instances: [...this.#cloud.instances.keys()] }),
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#clients.close();
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
