// Launchers as processes of their own, a cloud that outlives them, and clients of both kinds, for tests in which
// ZooKeeper goes away under them.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { METADATA } from "../../lib/provider/contract.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { putImage, until } from "./launcher.ts";
import { LeaseHolder } from "./lease_holder.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { WatchedCloud } from "./watched_cloud.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";
import { ZuulHand } from "./zuul_hand.ts";

/** Of the launchers. */
export const SESSION_TIMEOUT_MS = 2000;
/** Of Zuul and of who looks on: longer than any outage. */
export const LONG_SESSION_MS = 40_000;
const PATIENCE_MS = 60_000;

interface Launcher {
  readonly program: Program;
  readonly clients: Clients;
}

/** What a test may change. */
export interface OutageOptions {
  /** @default 1 */
  readonly minReady?: number;
  /** What each launcher connects to in place of the servers. */
  readonly doors?: readonly Address[];
}

type Address = Pick<ZooKeeperServer, "host" | "port">;

export class OutageWorld {
  readonly cloud = new WatchedCloud();
  readonly zuul: ZuulHand;
  session: Session;
  view: View;
  readonly #minReady: number;
  readonly #launchers: Launcher[] = [];
  readonly #holders: LeaseHolder[] = [];
  readonly #folder: string;
  #cloudServer: CloudServer | undefined;
  #isWorking = true;

  /** Starts two launchers of one provider on these servers. */
  static async open(servers: readonly ZooKeeperServer[], options: OutageOptions = {}): Promise<OutageWorld> {
    const folder = await mkdtemp(join(tmpdir(), "nodepool-outage-"));
    const session = connectSession({ servers, sessionTimeoutMs: LONG_SESSION_MS, logger: silentLogger });
    await session.connected();
    await session.ensurePath("/nodepool");
    await putImage(session, ["cloud"]);
    const world = new OutageWorld(folder, session, options.minReady ?? 1);
    await world.#start(servers, options.doors ?? []);
    return world;
  }

  private constructor(folder: string, session: Session, minReady: number) {
    this.#folder = folder;
    this.session = session;
    this.#minReady = minReady;
    this.view = openView(session, silentLogger);
    this.zuul = new ZuulHand(session);
  }

  async #start(servers: readonly Address[], doors: readonly Address[]): Promise<void> {
    this.#cloudServer = await serveCloud(this.cloud);
    for (const number of [1, 2]) {
      const file = join(this.#folder, `launcher${number}.yaml`);
      // Each begins with another server, so that the death of one hits one of them.
      const order = [...servers.slice(number - 1), ...servers.slice(0, number - 1)];
      const door = doors[number - 1];
      await writeFile(file, configText(door ? [door] : order, this.#cloudServer.address, this.#minReady));
      const address = `127.0.0.1:${await freePort()}`;
      const program = startProgram("test/harness/crashing_launcher.ts", ["-c", file, "--listen", address]);
      this.#launchers.push({
        program,
        clients: connectClients({ launcherAddress: address, builderAddress: address }),
      });
    }
    await Promise.all(this.#launchers.map(({ program }) => program.waitFor(/launcher started/)));
    await until("min-ready nodes", () => this.#idle().length === this.#minReady, PATIENCE_MS);
  }

  /** Goes on with another session, for ours has seen a later state than servers that were set back. */
  async lookAnew(servers: readonly ZooKeeperServer[]): Promise<void> {
    await this.view.close();
    await this.session.close();
    this.session = connectSession({ servers, sessionTimeoutMs: LONG_SESSION_MS, logger: silentLogger });
    this.view = openView(this.session, silentLogger);
    await this.view.ready();
  }

  /** Clients of each launcher. */
  get clients(): readonly Clients[] {
    return this.#launchers.map(({ clients }) => clients);
  }

  /** What the launchers have logged. */
  get log(): string {
    return this.#launchers.map(({ program }) => program.output()).join("\n");
  }

  /** Asks for a node with a lease, at one of the launchers first. */
  async ask(leaseSeconds: number, first = 0): Promise<LeaseHolder> {
    const holder = new LeaseHolder(this.clients, this.cloud, first);
    this.#holders.push(holder);
    await holder.ask("large", leaseSeconds);
    return holder;
  }

  /** The same, and waits until it works on the node. */
  async take(leaseSeconds: number, first = 0): Promise<LeaseHolder> {
    const holder = await this.ask(leaseSeconds, first);
    await holder.begin();
    return holder;
  }

  /** Clients that ask, work and give back again and again, until {@link rest}; resolves with how often they did. */
  async churn(clients: number, workMs: number): Promise<number> {
    let lives = 0;
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        while (this.#isWorking) {
          const holder = await this.take(60, client);
          await new Promise((resolve) => setTimeout(resolve, workMs));
          await holder.release();
          lives += 1;
        }
      }),
    );
    return lives;
  }

  /** Lets {@link churn} end. */
  rest(): void {
    this.#isWorking = false;
  }

  /** How long each launcher takes to serve a request for a new node, in milliseconds. */
  async served(): Promise<number> {
    const since = performance.now();
    await Promise.all(
      this.clients.map(async (clients) => {
        const holder = new LeaseHolder([clients], this.cloud, 0);
        this.#holders.push(holder);
        await holder.ask("large", 60);
        await holder.begin();
        const took = performance.now() - since;
        await holder.release();
        return took;
      }),
    );
    return performance.now() - since;
  }

  /** Waits until only these requests, their nodes and the min-ready ones are there, each with its instance. */
  async settled(requests = 0): Promise<void> {
    const isSettled = () => {
      const nodes = [...this.view.nodes()];
      const recorded = new Set(nodes.map(({ record }) => record?.externalId));
      return (
        this.view.current &&
        [...this.view.requests()].length === requests &&
        nodes.length === requests + this.#minReady &&
        this.#idle().length === this.#minReady &&
        this.cloud.instances.size === nodes.length &&
        [...this.cloud.instances.keys()].every((id) => recorded.has(id))
      );
    };
    await until("everything settled", isSettled, PATIENCE_MS).catch((error: Error) =>
      assert.fail(`${error.message}; there are ${this.#inventory()}\n${this.log}`),
    );
  }

  /** Keeps an idle node for whoever wants to look at it, and waits until there is another one in its place. */
  async hold(): Promise<string> {
    const [id = ""] = this.#idle().map((node) => node.id);
    await this.clients[0]?.nodes.holdNode({ name: `nodes/${id}`, reason: "a look" });
    await until("it is held", () => this.view.node(id)?.record?.state === "hold", PATIENCE_MS);
    await until("another one", () => this.#idle().length === this.#minReady, PATIENCE_MS);
    this.cloud.use(String(this.view.node(id)?.record?.externalId));
    return id;
  }

  /** Lets a node that was held go. */
  async unhold(id: string): Promise<void> {
    this.cloud.inUse.delete(String(this.view.node(id)?.record?.externalId));
    await this.clients[0]?.nodes.releaseNode({ name: `nodes/${id}` });
  }

  #idle() {
    return [...this.view.nodes()].filter(
      ({ record }) => record?.state === "ready" && record.allocatedTo === null,
    );
  }

  #inventory(): string {
    const nodes = [...this.view.nodes()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    const requests = [...this.view.requests()].map(({ id, record, lock }) => ({ id, ...record, lock }));
    const instances = [...this.cloud.instances.values()].map(({ externalId, name, metadata }) => {
      return { externalId, name, node: metadata[METADATA.node] };
    });
    return JSON.stringify({ nodes, requests, instances }, null, 1);
  }

  async close(): Promise<void> {
    this.rest();
    await Promise.all(this.#holders.map((holder) => holder.vanish()));
    for (const { clients } of this.#launchers) clients.close();
    await Promise.all(this.#launchers.map(({ program }) => program.stop("SIGKILL").catch(() => {})));
    await this.view.close();
    await this.session.close();
    await this.#cloudServer?.close();
    await rm(this.#folder, { recursive: true });
  }
}

function configText(servers: readonly Address[], cloud: string, minReady: number): string {
  return `
zookeeper-servers:
${servers.map(({ host, port }) => `  - {host: ${host}, port: ${port}}`).join("\n")}
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
labels:
  - {name: small, min-ready: ${minReady}}
  - {name: large}
diskimages:
  - {name: image}
providers:
  - name: cloud
    driver: fake
    cloud: ${cloud}
    diskimages: [{name: image}]
    pools:
      - name: main
        max-servers: 30
        labels:
          - {name: small, diskimage: image}
          - {name: large, diskimage: image}
`;
}
