// A world in which a launcher, as a process of its own, kills itself or stops at a checkpoint, and another one goes on.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { type DeepPartial, NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { isUncertain } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { Allocations } from "./allocations.ts";
import { duringSuccession, untilAtPlace } from "./crash_end.ts";
import { CrashWatch, checkMade } from "./crash_watch.ts";
import { type Setting, type TestLauncher, until } from "./launcher.ts";
import { callContext, idOf, isUnavailable, LauncherCase, release as releaseAt } from "./launcher_case.ts";
import {
  type Ending,
  MAX_SERVERS,
  SESSION_TIMEOUT_MS,
  startVictim,
  type VictimSetting,
} from "./launcher_crash_victim.ts";
import type { Program } from "./program.ts";
import { stopProcess } from "./stop_process.ts";
import { TreeHand } from "./tree_hand.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";

const PATIENCE_MS = 180_000;
/** What docs/robustness.md promises, in time in which this process, which has the launcher that goes on, may run. */
const RECOVERED_MS = SESSION_TIMEOUT_MS + 5000;
/** As those of the launcher that ends: a launch may have to wait until a test has done what it wants to do meanwhile. */
const LAUNCHES = { launchRetries: 2, bootTimeout: 60, launchTimeout: 3600 };

/** One ZooKeeper tree, one cloud, the launcher that is killed or stopped, and the one that goes on. */
export class LauncherCrashWorld {
  readonly tree: TreeHand;
  readonly cloud: FakeCloud;
  /** The launcher that is killed or stopped. */
  readonly victim: Program;
  /** Calls it. */
  readonly clients: Clients;
  readonly view: View;
  readonly allocations: Allocations;
  readonly #case: LauncherCase;
  readonly #cloudServer: CloudServer;
  readonly #place: string;
  readonly #ending: Ending;
  readonly #watch: CrashWatch;
  #survivor: TestLauncher | null = null;
  readonly #succession: Promise<void>;
  /** The calls that the victim had not answered when the other one was asked instead. */
  readonly #unanswered: { readonly giveUp: AbortController; readonly answer: Promise<unknown> }[] = [];
  readonly #stopped = Promise.withResolvers<void>();
  /** Ends what waits for the victim's answer. */
  #interruption: Promise<void>;
  #isClosed = false;

  /** Starts the launcher that ends at this place. */
  static async open(
    server: ZooKeeperServer,
    folder: string,
    setting: VictimSetting,
  ): Promise<LauncherCrashWorld> {
    const one = await LauncherCase.begin(server, "cloud");
    const cloud = new FakeCloud();
    const cloudServer = await serveCloud(cloud);
    const { program, address } = await startVictim(one, folder, cloudServer.address, setting);
    const tree = await TreeHand.open(one);
    return new LauncherCrashWorld(one, tree, cloud, cloudServer, program, address, setting);
  }

  private constructor(
    one: LauncherCase,
    tree: TreeHand,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
    address: string,
    { place, ending = "SIGKILL" }: VictimSetting,
  ) {
    this.#case = one;
    this.tree = tree;
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.victim = victim;
    this.#place = place ?? "";
    this.#ending = ending;
    this.clients = connectClients({ launcherAddress: address, builderAddress: address });
    this.view = openView(tree.session, silentLogger);
    this.allocations = new Allocations(this.view);
    this.#watch = new CrashWatch(tree.session, this.view);
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
    this.#interruption = this.#succession;
  }

  async #succeed(): Promise<void> {
    const end = untilAtPlace(this.victim, this.#place, this.#ending, PATIENCE_MS);
    await Promise.race([end, this.#stopped.promise]);
    if (this.#isClosed) return;
    await this.#watch.begin();
    const pool = { name: "main", offers: ["small", "large"], maxServers: MAX_SERVERS };
    const setting: Setting = {
      labels: { small: { minReady: 1 }, large: {} },
      providers: [{ driver: new FakeProvider("cloud", this.cloud), pools: [pool], config: LAUNCHES }],
    };
    // What is carried out late, of a launcher that was stopped, is found by the cleanup alone.
    const isLate = this.#ending === "SIGSTOP";
    this.#survivor = await this.#case.launcher(setting, isLate ? { cleanupIntervalMs: 500 } : {});
  }

  /** What is done in this world; it fails at once when the launcher does not end where it should. */
  during<T>(life: Promise<T>): Promise<T> {
    return duringSuccession(this.#succession, life);
  }

  /** The ZooKeeper of all. */
  get server(): ZooKeeperServer {
    return this.#case.server;
  }

  /** The launcher that goes on, once it runs. */
  async survivor(): Promise<TestLauncher> {
    await this.#succession;
    assert.ok(this.#survivor);
    return this.#survivor;
  }

  /** How many nodes had no instance yet, as far as their records say, when the launcher ended or was stopped. */
  get creating(): number {
    return this.#watch.creating;
  }

  /** Stops the launcher wherever it is. */
  async stopVictim(): Promise<void> {
    await stopProcess(this.victim.pid);
    this.#stopped.resolve();
  }

  /** Waits for no answer of the launcher that was stopped any more. */
  giveUpCalls(): void {
    for (const { giveUp } of this.#unanswered) giveUp.abort(new Error("the other launcher was asked"));
  }

  /** Resolves when it has answered all that it was asked. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.#unanswered.map(({ answer }) => answer));
  }

  /** Ends the launcher that went on, in order: the one that was stopped is alone. */
  async endSurvivor(): Promise<void> {
    const launcher = await this.survivor();
    this.#interruption = new Promise(() => {});
    this.#survivor = null;
    await this.#case.stop(launcher);
  }

  /**
   * Calls whichever launcher lives; a call that died or stopped with one is made again to the other, and one that comes
   * while there is no connection to ZooKeeper is made again, as clients do.
   */
  async #call<T>(
    toProcess: (clients: Clients, options: { readonly signal: AbortSignal }) => Promise<T>,
    toSurvivor: (launcher: TestLauncher) => Promise<T>,
  ): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      const survivor = this.#survivor;
      try {
        if (survivor !== null) return await toSurvivor(survivor);
        const giveUp = new AbortController();
        const answer = toProcess(this.clients, { signal: giveUp.signal });
        answer.catch(() => {});
        const isAnswered = await Promise.race([
          answer.then(() => true),
          this.#interruption.then(() => false),
        ]);
        if (!isAnswered) {
          this.#unanswered.push({ giveUp, answer });
          continue;
        }
        return await answer;
      } catch (error) {
        if ((survivor !== null && !mayBeRepeated(error)) || failures > 600) throw error;
        const pause = new Promise((resolve) => setTimeout(resolve, 100));
        await (survivor === null ? Promise.race([this.#interruption, pause]) : pause);
      }
    }
  }

  /** Asks for nodes with a lease. */
  async create(...labels: string[]): Promise<string> {
    const wish = {
      request: NodeRequest.fromPartial({ labels, requestor: "tester" }),
      requestId: randomUUID(),
      leaseDuration: { seconds: 600n, nanos: 0 },
      waitDuration: undefined,
    };
    const reply = await this.#call<{ request?: DeepPartial<NodeRequest> | undefined }>(
      (clients, options) => clients.requests.createRequest(wish, options),
      async ({ requests }) => await requests.createRequest(wish, callContext),
    );
    return reply.request?.name ?? "";
  }

  /** Waits until a request has its nodes, and gives their ids. */
  async nodesOf(request: string): Promise<string[]> {
    const { nodes = [] } = await this.#decided(request, "STATE_FULFILLED");
    const ids = nodes.map((name) => idOf(name));
    this.noteGiven(idOf(request), ids);
    return ids;
  }

  async fulfilled(request: string): Promise<string> {
    const [node = "", ...others] = await this.nodesOf(request);
    assert.deepEqual(others, []);
    return node;
  }

  async failed(request: string): Promise<void> {
    await this.#decided(request, "STATE_FAILED");
  }

  async #decided(request: string, wanted: "STATE_FULFILLED" | "STATE_FAILED") {
    return await until(
      `${request} is ${wanted}`,
      async () => {
        const found = await this.#look(request);
        if (found?.state === wanted) return found;
        assert.notEqual(found?.state, "STATE_FAILED", found?.reason);
        return null;
      },
      PATIENCE_MS,
    );
  }

  async #look(request: string): Promise<DeepPartial<NodeRequest> | undefined> {
    const reply = await this.#call<{ request?: DeepPartial<NodeRequest> | undefined }>(
      (clients, options) => clients.requests.getRequest({ name: request }, options),
      async ({ requests }) => await requests.getRequest({ name: request }, callContext),
    );
    return reply.request;
  }

  async release(request: string): Promise<void> {
    await this.#call<unknown>(
      (clients, options) => clients.requests.releaseRequest({ name: request }, options),
      async (launcher) => await releaseAt(launcher, request),
    );
  }

  /** Keeps a node for whoever wants to look at it. */
  async holdNode(id: string): Promise<void> {
    const wish = { name: `nodes/${id}`, reason: "a look", expireSeconds: 0n };
    await this.#call<unknown>(
      (clients, options) => clients.nodes.holdNode(wish, options),
      async ({ nodes }) => await nodes.holdNode(wish, callContext),
    );
  }

  async releaseNode(id: string): Promise<void> {
    await this.#call<unknown>(
      (clients, options) => clients.nodes.releaseNode({ name: `nodes/${id}` }, options),
      async ({ nodes }) => await nodes.releaseNode({ name: `nodes/${id}` }, callContext),
    );
  }

  async deleteNode(id: string): Promise<void> {
    await this.#call<unknown>(
      (clients, options) => clients.nodes.deleteNode({ name: `nodes/${id}` }, options),
      async ({ nodes }) => await nodes.deleteNode({ name: `nodes/${id}` }, callContext),
    );
  }

  /** Waits until the request says that it waits for this, which its provider has refused. */
  async waits(request: string, why: RegExp): Promise<void> {
    await until(
      `${request} waits for ${why}`,
      async () => why.test((await this.#look(request))?.reason ?? ""),
      PATIENCE_MS,
    );
    this.#watch.noteRefused(idOf(request));
  }

  /** Says which nodes the client of a request got. */
  noteGiven(request: string, nodes: readonly string[]): void {
    this.#watch.noteGiven(request, nodes);
  }

  /** Waits until only the node that min-ready keeps is there, as its record says. */
  async settled(): Promise<void> {
    await this.#succession;
    await until(
      "one ready node, and nothing else",
      () => {
        const nodes = [...this.view.nodes()];
        const [node] = nodes;
        const [instance] = this.cloud.instances.values();
        return (
          nodes.length === 1 &&
          node?.record?.state === "ready" &&
          node.record.allocatedTo === null &&
          [...this.view.requests()].length === 0 &&
          this.cloud.instances.size === 1 &&
          instance?.metadata[METADATA.node] === node.id &&
          instance.externalId === node.record.externalId
        );
      },
      PATIENCE_MS,
    ).catch((error: Error) => assert.fail(`${error.message}; there are ${this.#inventory()}`));
    this.#watch.noteService();
  }

  #inventory(): string {
    const nodes = [...this.view.nodes()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    const requests = [...this.view.requests()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    return JSON.stringify({ nodes, requests, instances: [...this.cloud.instances.values()] });
  }

  /**
   * Checks that no node was given out twice, that no launch was begun anew or thrown away, and how long it took until the
   * last of what was interrupted was done.
   */
  async check(): Promise<void> {
    await this.#watch.checkRecovery(RECOVERED_MS);
    this.allocations.check();
    const made = this.cloud.made;
    assert.equal(
      new Set(made).size,
      made.length,
      `a launch was begun anew instead of resumed: ${made.join()}`,
    );
    this.#watch.checkResumption();
  }

  /** Checks that so many instances were made, besides those of nodes that could not be gone on with. */
  checkMade(count: number): void {
    checkMade(this.cloud, this.#watch, count);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.clients.close();
    await this.victim.stop("SIGKILL").catch(() => {});
    await this.#succession.catch(() => {});
    await this.view.close();
    await this.#case.end();
    await this.#cloudServer.close();
  }
}

/** A raw error of ZooKeeper, too: the server between a client and the launcher makes one of the other. */
function mayBeRepeated(error: unknown): boolean {
  return isUncertain(error) || isUnavailable(error);
}
