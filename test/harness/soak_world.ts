// The world of the launcher soak: three launchers, a cloud that outlives them, and static hosts.
import type { NodeRecord } from "../../lib/model/node.ts";
import { shareOf } from "../../lib/model/shared_node.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { putImage } from "./launcher.ts";
import { configText, type SoakConfig } from "./soak_config.ts";
import { type Servers, type SoakDaemon, SoakFleet } from "./soak_fleet.ts";
import { type SoakHosts, startHosts } from "./soak_hosts.ts";
import { machineOf, WatchedCloud } from "./watched_cloud.ts";

/** How often a launcher looks through its providers; what looks wrong for half of it is. */
const CLEANUP_MS = 1500;
/** Lists that lag for longer would be believed. */
export const LONGEST_LIST_LAG_MS = 700;
const PLAN = {
  kind: "launcher",
  file: "test/harness/crashing_launcher.ts",
  env: () => ({ NODEPOOL_TEST_CLEANUP_MS: String(CLEANUP_MS) }),
} as const;

export class SoakWorld extends SoakFleet<SoakConfig> {
  readonly cloud: WatchedCloud;
  readonly hosts: SoakHosts;
  /** Ids of nodes that an operator has deleted or held. */
  readonly touched = new Set<string>();
  /** By the id of a node that has a share, the node that it is on. */
  readonly #backing = new Map<string, string>();
  readonly #cloudServer: CloudServer;

  /** @param servers how many servers ZooKeeper has */
  static async open(config: SoakConfig, servers = 1): Promise<SoakWorld> {
    const ground = await SoakFleet.ground(servers);
    const cloud = new WatchedCloud({ keepsRecord: false });
    const world = new SoakWorld(ground, cloud, await serveCloud(cloud), await startHosts(), config);
    await world.session.connected();
    await world.session.ensurePath("/nodepool");
    await putImage(world.session, ["alpha", "beta"]);
    await Promise.all([1, 2, 3].map((number) => world.add(number)));
    await world.view.ready();
    return world;
  }

  private constructor(
    ground: Awaited<ReturnType<typeof SoakFleet.ground>>,
    cloud: WatchedCloud,
    cloudServer: CloudServer,
    hosts: SoakHosts,
    config: SoakConfig,
  ) {
    super(ground, PLAN, config);
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.hosts = hosts;
    this.cloud.onWrong = (what) => this.wrong(what);
    this.view.subscribe(({ kind, id }) => {
      const record = kind === "node" ? this.view.node(id)?.record : null;
      const share = record ? shareOf(record) : null;
      if (share !== null) this.#backing.set(id, share.backingNode);
    });
  }

  get launchers(): readonly SoakDaemon[] {
    return this.daemons;
  }

  protected textFor(_number: number, zooKeeper: Servers): string {
    return configText(this.config, { zooKeeper, cloud: this.#cloudServer.address, hosts: this.hosts });
  }

  /** What somebody works on who has this node. */
  machine(id: string, record: NodeRecord): string {
    const { connectionPort, slot } = record;
    const backing = shareOf(record)?.backingNode ?? null;
    return machineOf({ id, externalId: String(record.externalId), connectionPort, slot, backing });
  }

  /** Whether an operator has deleted or held a node, or deleted the one that it is on. */
  isTouched(id: string): boolean {
    return this.touched.has(id) || this.cloud.doomed.has(`node ${this.#backing.get(id)}`);
  }

  /** A request that waits for too long, with what each launcher says about it. */
  async stuck(request: string, what: string): Promise<void> {
    const asked = this.launchers.map(async ({ number, clients }) => {
      const { summary, pools } = await clients.requests.explain({ name: `nodeRequests/${request}` });
      const said = pools.map(({ provider, pool, reason }) => `${provider}/${pool}: ${reason}`);
      return `launcher ${number}: ${summary} ${said.join("; ")}`;
    });
    const answers = (await Promise.allSettled(asked)).map((answer) =>
      answer.status === "fulfilled" ? answer.value : messageOf(answer.reason),
    );
    const { record, lock } = this.view.request(request) ?? {};
    const nodes = Array.from(this.view.nodes(), ({ id, record: node, lock: { contenders } }) =>
      [id, node?.state, `${node?.provider}/${node?.pool}`, node?.allocatedTo, contenders].join(" "),
    );
    const state = [JSON.stringify({ ...record, lock }), ...answers, ...nodes].join("\n  ");
    this.wrong(`${request}: ${what}\n  ${state}`);
  }

  cutCloud(): void {
    this.#cloudServer.cut();
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#cloudServer.close();
    for (const host of this.hosts.values()) await host.stop();
  }
}
