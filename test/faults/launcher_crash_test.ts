// A launcher that is killed between any two steps of a request's life, as a process of its own on a real ZooKeeper
// and a cloud that outlives it: another launcher goes on, and nothing is lost, leaked or given out twice.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { type DeepPartial, NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { type Checkpoint, MOMENTS, type Step } from "../../services/launcher/checkpoint.ts";
import { type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import { callContext, idOf, LauncherCase } from "../harness/launcher_case.ts";
import { freePort } from "../harness/ports.ts";
import { type Program, startProgram } from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

/** The steps that a request for a new node and one for a ready node go through, until both nodes are returned. */
const STEPS: readonly Step[] = [
  "min_ready.ask",
  "request.create",
  "request.claim",
  "node.intend",
  "node.create",
  "node.note",
  "node.scan",
  "request.fulfil",
  "request.assign",
  "request.release",
  "node.delete",
  "node.remove",
  "node.forget",
];
const SESSION_TIMEOUT_MS = 2000;
const AT_ONCE = 4;

describe("a launcher that is killed", () => {
  let server: ZooKeeperServer;
  let folder: string;
  before(async () => {
    server = await startZooKeeper();
    folder = await mkdtemp(join(tmpdir(), "nodepool-crash-"));
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  // Each world takes a while and little of the machine: a few at a time.
  const waiting: (() => void)[] = [];
  let running = 0;
  const inTurn = async (run: () => Promise<void>) => {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      await run();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
  const worlds = new Map<Checkpoint, Promise<void>>();
  before(() => {
    for (const step of STEPS) {
      for (const moment of MOMENTS) {
        const place: Checkpoint = `${step}:${moment}`;
        const world = inTurn(() => runWorld(server, folder, place));
        world.catch(() => {});
        worlds.set(place, world);
      }
    }
  });

  for (const step of STEPS) {
    for (const moment of MOMENTS) {
      it(`at ${step}, ${moment}`, async () => {
        await worlds.get(`${step}:${moment}`);
      });
    }
  }
});

async function runWorld(server: ZooKeeperServer, folder: string, place: Checkpoint): Promise<void> {
  const world = await World.open(server, folder, place);
  try {
    const cold = await world.fulfilled(await world.create("large"));
    const warm = await world.fulfilled(await world.create("small"));
    assert.notEqual(cold.node, warm.node, "no node is given out twice");
    await world.release(cold.request);
    await world.release(warm.request);
    await world.settled();
    world.check();
  } finally {
    await world.close();
  }
}

/** One ZooKeeper tree, one cloud, the launcher to be killed, and the one that goes on. */
class World {
  readonly #case: LauncherCase;
  readonly #cloud: FakeCloud;
  readonly #cloudServer: CloudServer;
  readonly #victim: Program;
  readonly #clients: Clients;
  #crashedAt = 0;
  #recoveredAt = 0;
  #survivor: TestLauncher | null = null;
  readonly #succession: Promise<void>;

  static async open(server: ZooKeeperServer, folder: string, place: Checkpoint): Promise<World> {
    const one = await LauncherCase.begin(server, "cloud");
    const cloud = new FakeCloud();
    const cloudServer = await serveCloud(cloud);
    const file = join(folder, `${place.replace(":", "-")}.yaml`);
    await writeFile(file, configText(one, cloudServer.address));
    return new World(one, cloud, cloudServer, file, place, await freePort());
  }

  private constructor(
    one: LauncherCase,
    cloud: FakeCloud,
    cloudServer: CloudServer,
    file: string,
    place: Checkpoint,
    port: number,
  ) {
    this.#case = one;
    this.#cloud = cloud;
    this.#cloudServer = cloudServer;
    const address = `127.0.0.1:${port}`;
    const env = { NODEPOOL_TEST_CRASH_AT: place };
    const words = ["-c", file, "--listen", address];
    this.#victim = startProgram("test/harness/crashing_launcher.ts", words, env);
    this.#clients = connectClients({ launcherAddress: address, builderAddress: address });
    this.#succession = this.#succeed();
    this.#succession.catch(() => {});
  }

  async #succeed(): Promise<void> {
    await this.#victim.ended(120_000);
    this.#crashedAt = Date.now();
    const pool = { name: "main", offers: ["small", "large"] };
    const setting: Setting = {
      labels: { small: { minReady: 1 }, large: {} },
      providers: [{ driver: new FakeProvider("cloud", this.#cloud), pools: [pool] }],
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

  async create(label: string): Promise<string> {
    const wish = {
      request: NodeRequest.fromPartial({ labels: [label], requestor: "tester" }),
      requestId: randomUUID(),
      leaseDuration: { seconds: 600n, nanos: 0 },
    };
    const reply = await this.#call<{ request?: DeepPartial<NodeRequest> | undefined }>(
      (clients) => clients.requests.createRequest(wish),
      async ({ requests }) => await requests.createRequest(wish, callContext),
    );
    return reply.request?.name ?? "";
  }

  async fulfilled(request: string): Promise<{ request: string; node: string }> {
    const nodes = await until(
      `${request} fulfilled`,
      async () => {
        const reply = await this.#call<{ request?: DeepPartial<NodeRequest> | undefined }>(
          (clients) => clients.requests.getRequest({ name: request }),
          async ({ requests }) => await requests.getRequest({ name: request }, callContext),
        );
        assert.notEqual(reply.request?.state, "STATE_FAILED");
        return reply.request?.state === "STATE_FULFILLED" ? (reply.request.nodes ?? []) : null;
      },
      60_000,
    );
    this.#noteRecovery();
    assert.equal(nodes.length, 1);
    return { request, node: idOf(nodes[0]) };
  }

  async release(request: string): Promise<void> {
    await this.#call<unknown>(
      (clients) => clients.requests.releaseRequest({ name: request }),
      async ({ requests }) => await requests.releaseRequest({ name: request }, callContext),
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
        const [instance] = this.#cloud.instances.values();
        return (
          nodes.length === 1 &&
          node?.record?.state === "ready" &&
          node.record.allocatedTo === null &&
          [...launcher.view.requests()].length === 0 &&
          this.#cloud.instances.size === 1 &&
          instance?.metadata[METADATA.node] === node.id &&
          instance.externalId === node.record.externalId
        );
      },
      60_000,
    );
    this.#noteRecovery();
  }

  check(): void {
    const made = this.#cloud.made;
    assert.equal(
      new Set(made).size,
      made.length,
      `a launch was begun anew instead of resumed: ${made.join()}`,
    );
    const took = this.#recoveredAt - this.#crashedAt;
    assert.ok(took < SESSION_TIMEOUT_MS + 5000, `the recovery took ${took} ms`);
  }

  async close(): Promise<void> {
    this.#clients.close();
    await this.#victim.stop("SIGKILL").catch(() => {});
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
    diskimages:
      - name: image
    pools:
      - name: main
        labels:
          - name: small
            diskimage: image
          - name: large
            diskimage: image
`;
}
