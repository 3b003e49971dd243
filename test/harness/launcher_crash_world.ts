// A world in which a launcher, as a process of its own, kills itself or stops at a checkpoint, and another one goes on.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ROOT } from "../../lib/model/paths.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { type DeepPartial, NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { isUncertain } from "../../lib/zookeeper/types.ts";
import type { NodeEntry, View } from "../../lib/zookeeper/view.ts";
import { Allocations } from "./allocations.ts";
import { awakeTime } from "./awake_time.ts";
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
  readonly #ending: Ending;
  #crashedAt = 0;
  #creating = 0;
  #recoveredAt = 0;
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
    const ending = setting.ending ?? "SIGKILL";
    return new LauncherCrashWorld(one, tree, cloud, cloudServer, program, address, ending);
  }

  private constructor(
    one: LauncherCase,
    tree: TreeHand,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
    address: string,
    ending: Ending,
  ) {
    this.#case = one;
    this.tree = tree;
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.victim = victim;
    this.#ending = ending;
    this.clients = connectClients({ launcherAddress: address, builderAddress: address });
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
    this.#interruption = this.#succession;
    this.view = openView(tree.session, silentLogger);
    this.allocations = new Allocations(this.view);
  }

  async #succeed(): Promise<void> {
    if (this.#ending === "SIGKILL") await this.victim.ended(PATIENCE_MS);
    else await Promise.race([this.victim.waitFor(/^stopped at /m, PATIENCE_MS), this.#stopped.promise]);
    if (this.#isClosed) return;
    this.#crashedAt = awakeTime();
    await catchUp({ session: this.tree.session, view: this.view }, ROOT);
    this.#creating = [...this.view.nodes()].filter(isInCreation).length;
    const pool = { name: "main", offers: ["small", "large"], maxServers: MAX_SERVERS };
    const setting: Setting = {
      labels: { small: { minReady: 1 }, large: {} },
      providers: [{ driver: new FakeProvider("cloud", this.cloud), pools: [pool], config: LAUNCHES }],
    };
    this.#survivor = await this.#case.launcher(setting, { cleanupIntervalMs: 500 });
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
    return this.#creating;
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
    this.noteRecovery();
    return nodes.map(idOf);
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

  /** Waits until the request says that it waits for this. */
  async waits(request: string, why: RegExp): Promise<void> {
    await until(
      `${request} waits for ${why}`,
      async () => why.test((await this.#look(request))?.reason ?? ""),
      PATIENCE_MS,
    );
    this.noteRecovery();
  }

  /** Says that the other one has taken over. */
  noteRecovery(): void {
    if (this.#crashedAt > 0 && this.#recoveredAt === 0) this.#recoveredAt = awakeTime();
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
    this.noteRecovery();
  }

  #inventory(): string {
    const nodes = [...this.view.nodes()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    const requests = [...this.view.requests()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    return JSON.stringify({ nodes, requests, instances: [...this.cloud.instances.values()] });
  }

  /** Checks that no node was given out twice, that no launch was begun anew, and how long the takeover took. */
  check(): void {
    this.allocations.check();
    const made = this.cloud.made;
    assert.equal(
      new Set(made).size,
      made.length,
      `a launch was begun anew instead of resumed: ${made.join()}`,
    );
    const took = this.#recoveredAt - this.#crashedAt;
    assert.ok(took < RECOVERED_MS, `the recovery took ${took} ms`);
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

/** Whether it is being created: there is no instance, or its id is not known yet. */
function isInCreation({ record }: NodeEntry): boolean {
  return record?.state === "building" && record.externalId === null;
}

/** A raw error of ZooKeeper, too: the server between a client and the launcher makes one of the other. */
function mayBeRepeated(error: unknown): boolean {
  return isUncertain(error) || isUnavailable(error);
}
