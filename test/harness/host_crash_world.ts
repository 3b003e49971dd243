// A world with static hosts, in which a launcher, as a process of its own, kills itself or stops at a checkpoint, and
// another one goes on.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeNode, encodeNode, newNode, withNodeState } from "../../lib/model/node.ts";
import { NODES, nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import { duringSuccession, untilAtPlace } from "./crash_end.ts";
import { CrashWatch } from "./crash_watch.ts";
import type { HostStage } from "./host_stage.ts";
import { type HostSettings, hostsConfig, hostsDocument, recordsIn, untilSlots } from "./hosts.ts";
import type { TestLauncher } from "./launcher.ts";
import { LauncherCase } from "./launcher_case.ts";
import type { Ending } from "./launcher_crash_victim.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { TreeHand } from "./tree_hand.ts";
import { recordsAndLocks, wakeUp } from "./wake.ts";

const PATIENCE_MS = 120_000;
const SLOTS = [0, 1];
const SESSION_TIMEOUT_MS = 4000;
/** What docs/robustness.md promises. */
const RECOVERED_MS = SESSION_TIMEOUT_MS + 5000;

/** One ZooKeeper tree, a host with two slots, the launcher that ends, and the one that goes on. */
export class HostCrashWorld {
  readonly #case: LauncherCase;
  readonly #tree: TreeHand;
  readonly #view: View;
  readonly #hosts: readonly HostSettings[];
  readonly #identity: string;
  readonly #victim: Program;
  readonly #clients: Clients;
  readonly #place: Checkpoint;
  readonly #ending: Ending;
  readonly #watch: CrashWatch;
  /** The slots' records that were ready and free when the launcher ended. */
  #free: readonly string[] = [];
  readonly #used = new Set<string>();
  readonly #succession: Promise<TestLauncher | null>;
  readonly #doubled: string[] = [];
  #isClosed = false;

  /** Starts the launcher that ends at this place. Slot 0 has a record already, from before the labels were changed. */
  static async open(
    stage: HostStage,
    folder: string,
    place: Checkpoint,
    ending: Ending = "SIGKILL",
  ): Promise<HostCrashWorld> {
    const one = await LauncherCase.begin(stage.server);
    const tree = await TreeHand.open(one);
    const hosts = [stage.host({ "max-parallel-jobs": SLOTS.length })];
    const old = newNode(Date.now() / 1000, {
      state: "ready",
      provider: "lab",
      pool: "main",
      type: ["old"],
      hostname: "127.0.0.1",
      username: "zuul",
      connectionPort: stage.sshd.port,
      slot: 0,
    });
    await tree.session.create(`${NODES}/`, encodeNode(old), "persistent-sequential");
    const file = join(folder, `${one.chroot.slice(1)}.yaml`);
    const { host, port } = stage.server;
    const servers = [{ host, port, chroot: one.chroot }];
    const document = {
      "zookeeper-servers": servers,
      "zookeeper-timeout": SESSION_TIMEOUT_MS / 1000,
      ...hostsDocument(hosts),
    };
    await writeFile(file, JSON.stringify(document));
    const address = `127.0.0.1:${await freePort()}`;
    const words = ["-c", file, "--listen", address];
    const victim = startProgram("test/harness/crashing_launcher.ts", words, {
      NODEPOOL_TEST_CRASH_AT: place,
      NODEPOOL_TEST_CRASH_SIGNAL: ending,
    });
    const session = await one.session(LONGEST_SESSION_MS);
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    return new HostCrashWorld(one, tree, session, hosts, stage.at(), victim, clients, place, ending);
  }

  private constructor(
    one: LauncherCase,
    tree: TreeHand,
    session: Session,
    hosts: readonly HostSettings[],
    identity: string,
    victim: Program,
    clients: Clients,
    place: Checkpoint,
    ending: Ending,
  ) {
    this.#case = one;
    this.#tree = tree;
    this.#view = openView(session, silentLogger);
    this.#watch = new CrashWatch(session, this.#view);
    this.#hosts = hosts;
    this.#identity = identity;
    this.#victim = victim;
    this.#clients = clients;
    this.#place = place;
    this.#ending = ending;
    this.#view.subscribe(() => this.#countSlots());
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  // A record that is being deleted has its successor beside it for as long as their common transaction is read.
  #countSlots(): void {
    const slots = recordsIn({ view: this.#view })
      .filter(({ state }) => state !== "deleting")
      .map(({ slot }) => slot);
    if (new Set(slots).size < slots.length) this.#doubled.push(slots.join());
  }

  async #succeed(): Promise<TestLauncher | null> {
    await untilAtPlace(this.#victim, this.#place, this.#ending, PATIENCE_MS);
    if (this.#isClosed) return null;
    await this.#watch.begin();
    this.#free = [...this.#view.nodes()]
      .filter(({ record }) => record?.state === "ready" && record.allocatedTo === null)
      .map(({ id }) => id);
    return await this.#case.launcher(hostsConfig(this.#hosts));
  }

  /** What is done in this world; it fails at once when the launcher does not end where it should. */
  during<T>(life: Promise<T>): Promise<T> {
    return duringSuccession(this.#succession, life);
  }

  /**
   * Uses all slots at once, as Zuul does, and gives them back.
   *
   * @param whileInUse done while all of them are in use
   */
  async useAll(whileInUse: () => Promise<void> = async () => {}): Promise<void> {
    const locks = createLocks(this.#tree.session);
    const requests = await Promise.all(SLOTS.map(() => this.#tree.ask({ nodeTypes: ["small"] })));
    const used = await Promise.all(
      requests.map(async (request) => {
        await this.#tree.untilRequest(request, "fulfilled");
        const id = await this.#tree.node(request, "ready");
        const lock = await locks.acquire(nodeLockPath(id), { createParents: true, timeout: PATIENCE_MS });
        assert.ok(lock, `node ${id} is locked by somebody else`);
        this.#watch.noteGiven(request, [id]);
        this.#used.add(id);
        return { id, lock, request };
      }),
    );
    assert.equal(new Set(used.map(({ id }) => id)).size, SLOTS.length, "no node is given out twice");
    for (const { id, request } of used) {
      await this.#write(id, "in-use");
      await this.#tree.withdraw(request);
    }
    await whileInUse();
    for (const { id, lock } of used) {
      await this.#write(id, "used");
      await lock.release();
    }
    for (const { id } of used) await this.#tree.untilGone(nodePath(id));
  }

  async #write(id: string, state: "in-use" | "used"): Promise<void> {
    const { record, version } = await this.#node(id);
    const next = withNodeState(record, state, Date.now() / 1000);
    await this.#tree.session.set(nodePath(id), encodeNode(next), version);
  }

  async #node(id: string) {
    await this.#tree.session.sync(nodePath(id));
    const { data, stat } = await this.#tree.session.get(nodePath(id));
    return { record: decodeNode(data), version: stat.version };
  }

  /**
   * Waits until each slot is ready again, and makes sure that none was there twice on the way, that none of their records
   * was thrown away unused, and that what was interrupted was done in time.
   */
  async settled(): Promise<void> {
    const launcher = await this.#succession;
    assert.ok(launcher);
    await untilSlots(launcher, ...SLOTS.map((slot) => `${slot} ready ${this.#identity} small`));
    assert.deepEqual(this.#doubled, []);
    await this.#watch.checkRecovery(RECOVERED_MS);
    this.#watch.checkResumption();
    const lost = this.#free.filter((id) => !this.#used.has(id) && launcher.view.node(id) === undefined);
    assert.deepEqual(lost, [], "records of slots were thrown away unused");
  }

  /** Lets the launcher that was stopped go on, while each slot is in use, or all are ready. */
  async wakeUp(): Promise<void> {
    await this.#succession;
    const [view, isAsOne] = [this.#view, new Set(["in-use 1,in-use 1", "ready 0,ready 0"])];
    await wakeUp({
      ...{
        victim: this.#victim,
        clients: this.#clients,
        server: this.#case.server,
        session: this.#tree.session,
        view,
      },
      isQuiet: () => {
        const slots = [...view.nodes()].map(
          ({ record, lock }) => `${record?.state} ${lock.contenders.length}`,
        );
        return isAsOne.has(slots.join()) && [...view.requests()].length === 0;
      },
      state: () => recordsAndLocks(view),
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#clients.close();
    await this.#victim.stop("SIGKILL").catch(() => {});
    await this.#succession.catch(() => {});
    await this.#view.close();
    await this.#case.end();
  }
}
