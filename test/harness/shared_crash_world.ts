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
import { silentLogger } from "../../lib/std/logger.ts";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { NodeEntry, View } from "../../lib/zookeeper/view.ts";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import { duringSuccession, untilAtPlace } from "./crash_end.ts";
import { CrashWatch, checkMade } from "./crash_watch.ts";
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
const SESSION_TIMEOUT_MS = 2000;
/** What docs/robustness.md promises. */
const RECOVERED_MS = SESSION_TIMEOUT_MS + 5000;

/** With two slots each, for three nodes. */
const BACKING_NODES = 2;

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
  readonly #place: CrashPlace;
  readonly #zuul: ZuulHand;
  readonly #view: View;
  readonly #watch: CrashWatch;
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
    await writeFile(file, configText(one, cloudServer.address, graceTime(place)));
    const address = `127.0.0.1:${await freePort()}`;
    const words = ["-c", file, "--listen", address];
    const victim = startProgram("test/harness/crashing_launcher.ts", words, {
      NODEPOOL_TEST_CRASH_AT: place.checkpoint,
      NODEPOOL_TEST_CRASH_TIME: String(place.time),
      NODEPOOL_TEST_CRASH_SIGNAL: place.ending ?? "SIGKILL",
      NODEPOOL_TEST_UNREACHABLE: String(place.unreachable),
    });
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    const session = await one.session(LONGEST_SESSION_MS);
    return new SharedCrashWorld(one, session, cloud, cloudServer, victim, clients, place);
  }

  private constructor(
    one: LauncherCase,
    session: Session,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
    clients: Clients,
    place: CrashPlace,
  ) {
    this.#case = one;
    this.#clients = clients;
    this.#place = place;
    this.#zuul = new ZuulHand(session);
    this.#view = openView(session, silentLogger);
    this.#watch = new CrashWatch(session, this.#view);
    this.#cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#victim = victim;
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  async #succeed(): Promise<TestLauncher | null> {
    const { checkpoint, ending = "SIGKILL" } = this.#place;
    await untilAtPlace(this.#victim, checkpoint, ending, PATIENCE_MS);
    if (this.#isClosed) return null;
    await this.#watch.begin();
    const labels = {
      share: { "grace-time": graceTime(this.#place) },
      lost: { "backing-label": "nowhere" },
    };
    const setting = shared(new FakeProvider("cloud", this.#cloud), labels, {
      hostKeyChecking: true,
      launchRetries: 2,
    });
    return await this.#case.launcher(setting);
  }

  /** What is done in this world; it fails at once when the launcher does not end where it should. */
  during<T>(life: Promise<T>): Promise<T> {
    return duringSuccession(this.#succession, life);
  }

  /**
   * Three nodes at a time on backing nodes with two slots, until all is given back.
   *
   * @param whileInUse done while all three are in use
   */
  async fillAndEmpty(whileInUse: () => Promise<void> = async () => {}): Promise<void> {
    const used: UsedNode[] = [];
    for (let count = 0; count < 3; count += 1) {
      const request = await this.#zuul.ask("share");
      const node = await this.#zuul.use(request);
      this.#watch.noteGiven(request, [node.id]);
      used.push(node);
    }
    const shares = used.map(({ id, record }) => {
      const share = shareOf(record);
      assert.ok(share, `node ${id} has no share`);
      return share;
    });
    const places = shares.map(({ backingNode, slot }) => `slot ${slot} of ${backingNode}`);
    assert.equal(new Set(places).size, 3, `a slot was given twice: ${places}`);
    const backing = new Set(shares.map(({ backingNode }) => backingNode));
    assert.equal(backing.size, BACKING_NODES, `a slot was lost: ${places}`);
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
    await this.#watch.checkRecovery(RECOVERED_MS);
    this.#watch.checkResumption();
    if (this.#place.ending !== "SIGSTOP") checkMade(this.#cloud, this.#watch, BACKING_NODES);
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
    await this.#view.close();
    await this.#case.end();
    await this.#cloudServer.close();
  }
}

/**
 * For how many seconds a backing node may stand idle. That of a launcher that was killed does so until the session is over
 * and another launcher goes on with the node that waits for it: given back before that, it was launched in vain.
 */
const graceTime = ({ ending }: CrashPlace) => (ending === "SIGSTOP" ? 1 : 5);

function configText(one: LauncherCase, cloud: string, grace: number): string {
  return `
zookeeper-servers: [{host: ${one.server.host}, port: ${one.server.port}, chroot: ${one.chroot}}]
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
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
    - {name: share, backing-label: large, max-parallel-jobs: 2, grace-time: ${grace}}
    - {name: lost, backing-label: nowhere}
`;
}
