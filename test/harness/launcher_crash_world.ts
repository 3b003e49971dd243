// A world in which a launcher, as a process of its own, kills itself at a checkpoint, and another one goes on.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { type DeepPartial, NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import { type Setting, type TestLauncher, until } from "./launcher.ts";
import { callContext, idOf, LauncherCase } from "./launcher_case.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { TreeHand } from "./tree_hand.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";

const SESSION_TIMEOUT_MS = 2000;
const PATIENCE_MS = 60_000;
/** Of the pool. */
export const MAX_SERVERS = 4;

/** One ZooKeeper tree, one cloud, the launcher to be killed, and the one that goes on. */
export class LauncherCrashWorld {
  readonly tree: TreeHand;
  readonly cloud: FakeCloud;
  readonly #case: LauncherCase;
  readonly #cloudServer: CloudServer;
  readonly #victim: Program;
  readonly #clients: Clients;
  #crashedAt = 0;
  #recoveredAt = 0;
  #survivor: TestLauncher | null = null;
  readonly #succession: Promise<void>;
  #isClosed = false;

  /** Starts the launcher that dies at this place. */
  static async open(server: ZooKeeperServer, folder: string, place: Checkpoint): Promise<LauncherCrashWorld> {
    const one = await LauncherCase.begin(server, "cloud");
    const cloud = new FakeCloud();
    const cloudServer = await serveCloud(cloud);
    const file = join(folder, `${place.replace(":", "-")}.yaml`);
    await writeFile(file, configText(one, cloudServer.address));
    const address = `127.0.0.1:${await freePort()}`;
    const words = ["-c", file, "--listen", address];
    const victim = startProgram("test/harness/crashing_launcher.ts", words, {
      NODEPOOL_TEST_CRASH_AT: place,
    });
    return new LauncherCrashWorld(one, await TreeHand.open(one), cloud, cloudServer, victim, address);
  }

  private constructor(
    one: LauncherCase,
    tree: TreeHand,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    victim: Program,
    address: string,
  ) {
    this.#case = one;
    this.tree = tree;
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#victim = victim;
    this.#clients = connectClients({ launcherAddress: address, builderAddress: address });
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  async #succeed(): Promise<void> {
    await this.#victim.ended(120_000);
    if (this.#isClosed) return;
    this.#crashedAt = Date.now();
    const pool = { name: "main", offers: ["small", "large"], maxServers: MAX_SERVERS };
    const setting: Setting = {
      labels: { small: { minReady: 1 }, large: {} },
      providers: [
        { driver: new FakeProvider("cloud", this.cloud), pools: [pool], config: { launchRetries: 2 } },
      ],
    };
    this.#survivor = await this.#case.launcher(setting, { cleanupIntervalMs: 500 });
  }

  /** Calls whichever launcher lives; a call that died with one is made again to the other. */
  async #call<T>(
    toProcess: (clients: Clients) => Promise<T>,
    toSurvivor: (launcher: TestLauncher) => Promise<T>,
  ): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      const survivor = this.#survivor;
      try {
        return survivor === null ? await toProcess(this.#clients) : await toSurvivor(survivor);
      } catch (error) {
        if (survivor !== null || failures > 600) throw error;
        await Promise.race([this.#succession, new Promise((resolve) => setTimeout(resolve, 100))]);
      }
    }
  }

  /** Asks for nodes with a lease. */
  async create(...labels: string[]): Promise<string> {
    const wish = {
      request: NodeRequest.fromPartial({ labels, requestor: "tester" }),
      requestId: randomUUID(),
      leaseDuration: { seconds: 600n, nanos: 0 },
    };
    const reply = await this.#call<{ request?: DeepPartial<NodeRequest> | undefined }>(
      (clients) => clients.requests.createRequest(wish),
      async ({ requests }) => await requests.createRequest(wish, callContext),
    );
    return reply.request?.name ?? "";
  }

  async fulfilled(request: string): Promise<string> {
    const { nodes = [] } = await this.#decided(request, "STATE_FULFILLED");
    this.#noteRecovery();
    assert.equal(nodes.length, 1);
    return idOf(nodes[0]);
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
      (clients) => clients.requests.getRequest({ name: request }),
      async ({ requests }) => await requests.getRequest({ name: request }, callContext),
    );
    return reply.request;
  }

  async release(request: string): Promise<void> {
    await this.#call<unknown>(
      (clients) => clients.requests.releaseRequest({ name: request }),
      async ({ requests }) => await requests.releaseRequest({ name: request, fault: "" }, callContext),
    );
  }

  /** Keeps a node for whoever wants to look at it. */
  async holdNode(id: string): Promise<void> {
    const wish = { name: `nodes/${id}`, reason: "a look", expireSeconds: 0n };
    await this.#call<unknown>(
      (clients) => clients.nodes.holdNode(wish),
      async ({ nodes }) => await nodes.holdNode(wish, callContext),
    );
  }

  async releaseNode(id: string): Promise<void> {
    await this.#call<unknown>(
      (clients) => clients.nodes.releaseNode({ name: `nodes/${id}` }),
      async ({ nodes }) => await nodes.releaseNode({ name: `nodes/${id}` }, callContext),
    );
  }

  async deleteNode(id: string): Promise<void> {
    await this.#call<unknown>(
      (clients) => clients.nodes.deleteNode({ name: `nodes/${id}` }),
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
  }

  #noteRecovery(): void {
    if (this.#crashedAt > 0 && this.#recoveredAt === 0) this.#recoveredAt = Date.now();
  }

  /** Waits until only the node that min-ready keeps is there, as its record says. */
  async settled(): Promise<void> {
    await this.#succession;
    const launcher = this.#survivor;
    assert.ok(launcher);
    await until(
      "one ready node, and nothing else",
      () => {
        const nodes = [...launcher.view.nodes()];
        const [node] = nodes;
        const [instance] = this.cloud.instances.values();
        return (
          nodes.length === 1 &&
          node?.record?.state === "ready" &&
          node.record.allocatedTo === null &&
          [...launcher.view.requests()].length === 0 &&
          this.cloud.instances.size === 1 &&
          instance?.metadata[METADATA.node] === node.id &&
          instance.externalId === node.record.externalId
        );
      },
      PATIENCE_MS,
    ).catch((error: Error) => assert.fail(`${error.message}; there are ${this.#inventory(launcher)}`));
    this.#noteRecovery();
  }

  #inventory({ view }: TestLauncher): string {
    const nodes = [...view.nodes()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    const requests = [...view.requests()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    return JSON.stringify({ nodes, requests, instances: [...this.cloud.instances.values()] });
  }

  check(): void {
    const made = this.cloud.made;
    assert.equal(
      new Set(made).size,
      made.length,
      `a launch was begun anew instead of resumed: ${made.join()}`,
    );
    const took = this.#recoveredAt - this.#crashedAt;
    assert.ok(took < SESSION_TIMEOUT_MS + 5000, `the recovery took ${took} ms`);
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
zookeeper-servers:
  - host: ${one.server.host}
    port: ${one.server.port}
    chroot: ${one.chroot}
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
labels:
  - name: small
    min-ready: 1
  - name: large
diskimages:
  - name: image
providers:
  - name: cloud
    driver: fake
    cloud: ${cloud}
    launch-retries: 2
    diskimages:
      - name: image
    pools:
      - name: main
        max-servers: ${MAX_SERVERS}
        labels:
          - name: small
            diskimage: image
          - name: large
            diskimage: image
`;
}
