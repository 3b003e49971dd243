// What must hold in the launcher soak: limits at any time, and, when faults and demand are over, that there is what
// min-ready says and nothing else.
import { CLAIMS, NODES, nodeLockPath, REQUEST_LOCKS, requestLockPath } from "../../lib/model/paths.ts";
import { sharedOf } from "../../lib/model/shared_node.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { isZooKeeperError } from "../../lib/zookeeper/types.ts";
import { until } from "./launcher.ts";
import { HOST_LABEL, LABELS, SHARE_LABEL, type SoakConfig, TENANT_LIMIT, WHOLE } from "./soak_config.ts";
import { SESSION_TIMEOUT_MS } from "./soak_fleet.ts";
import type { SoakWorld } from "./soak_world.ts";
import { placeOf } from "./watched_cloud.ts";

/** A launcher may go on with a configuration that it has not yet read anew, or hang meanwhile. */
const CONFIG_LIVES_MS = 20_000;
/** A session may have to end and to begin first. */
const CONFIGURED_MS = SESSION_TIMEOUT_MS + 10_000;
/** Failed requests for min-ready nodes are made again after a minute at most. */
const SETTLED_MS = 90_000;
/** Of which there are as many as min-ready says. */
const COUNTED = [...LABELS, SHARE_LABEL];

export class SoakJudge {
  readonly #world: SoakWorld;
  readonly #known = new Set<string>();
  readonly #configs: { readonly config: SoakConfig; until: number }[] = [];
  readonly #stop: () => void;

  constructor(world: SoakWorld) {
    this.#world = world;
    for (const { id } of world.view.nodes()) this.#known.add(id);
    this.#configs.push({ config: world.config, until: performance.now() + CONFIG_LIVES_MS });
    this.#stop = world.view.subscribe(({ kind, id }) => {
      if (kind !== "node") return;
      this.#look(id);
      this.#lookAtSlot(id).catch(() => {});
    });
  }

  close(): void {
    this.#stop();
  }

  /** Looks at a node that has changed. */
  #look(id: string): void {
    const { view, config } = this.#world;
    const now = performance.now();
    for (const past of this.#configs) if (past.config === config) past.until = now + CONFIG_LIVES_MS;
    if (this.#configs.at(-1)?.config !== config) this.#configs.push({ config, until: now + CONFIG_LIVES_MS });
    while ((this.#configs[0]?.until ?? Infinity) < now) this.#configs.shift();
    const record = view.node(id)?.record;
    if (!record) return;
    const nodes = [...view.nodes()];
    const ofTenant = nodes.filter((node) => node.record?.tenantName === "limited").length;
    if (record.tenantName === "limited" && ofTenant > TENANT_LIMIT) {
      this.#world.wrong(`node ${id} is one of ${ofTenant} of the tenant; its limit is ${TENANT_LIMIT}`);
    }
    if (this.#known.has(id)) return;
    this.#known.add(id);
    // Of hosts there are as many nodes as they have slots.
    if (record.provider === "lab") return;
    const place = `${record.provider}/${record.pool}`;
    const limit = Math.max(...this.#configs.map((past) => past.config.pools[place]?.max ?? 0));
    const many = nodes.filter((node) => `${node.record?.provider}/${node.record?.pool}` === place).length;
    if (many > limit) this.#world.wrong(`node ${id} is one of ${many} of ${place}; its limit is ${limit}`);
  }

  /** No two nodes have one slot, once all that has happened is seen. */
  async #lookAtSlot(id: string): Promise<void> {
    const { view } = this.#world;
    if (this.#withSlotOf(id).length < 2) return;
    await view.settled();
    const nodes = this.#withSlotOf(id);
    if (nodes.length < 2) return;
    const told = nodes.map((one) => `${one} is ${view.node(one)?.record?.state}`);
    this.#world.wrong(`one slot is recorded for several nodes: ${told}`);
  }

  #withSlotOf(id: string): string[] {
    const placeAt = (one: string) => {
      const record = this.#world.view.node(one)?.record;
      return record && record.slot !== null ? placeOf(this.#world.machine(one, record)) : null;
    };
    const place = placeAt(id);
    if (place === null) return [];
    return Array.from(this.#world.view.nodes(), (node) => node.id).filter((one) => placeAt(one) === place);
  }

  /** Waits until every launcher says that it offers everything, and nobody says that he offers anything else. */
  async configured(): Promise<void> {
    const { view, launchers } = this.#world;
    const expected = launchers.flatMap(() => [
      ...Object.entries(WHOLE.pools).map(([name, { labels }]) => `${name} ${[...labels].sort()}`),
      `lab/main ${HOST_LABEL}`,
    ]);
    const said = () =>
      Array.from(view.pools(), ({ record }) =>
        record === null
          ? "an unreadable pool"
          : `${record.providerName}/${record.name} ${[...record.supportedLabels].sort()}`,
      ).sort();
    // How long a process takes to begin is the machine's affair.
    await until("every launcher has begun", () => launchers.every(({ trouble }) => trouble === null));
    const isTaken = () => view.current && said().join("; ") === expected.sort().join("; ");
    await until("the launchers offer what is configured", isTaken, CONFIGURED_MS).catch((error: Error) =>
      this.#world.wrong(`${error.message}; they offer ${said().join("; ")}`),
    );
  }

  /** Waits until nobody asks for anything and what there is is recorded; then takes away what is too much. */
  async settle(): Promise<void> {
    const since = performance.now();
    await this.#until("everything settled", (short) => short.length === 0);
    this.#world.note(`settled after ${Math.round(performance.now() - since)} ms`);
    const [launcher] = this.#world.launchers;
    for (const label of COUNTED) {
      // Launches go on when their requests are withdrawn, and min-ready may have been higher.
      for (const { id } of this.#idle(label).slice(WHOLE.minReady[label] ?? 0)) {
        const record = this.#world.view.node(id)?.record;
        if (record) this.#world.cloud.doom(this.#world.machine(id, record));
        await launcher?.clients.nodes.deleteNode({ name: `nodes/${id}` });
      }
    }
    const isExact = (short: readonly string[]) => short.length === 0 && this.#surplus() === 0;
    await this.#until("exactly what min-ready says", isExact);
  }

  /** Nothing happens any more, and nothing is left over. */
  async rest(): Promise<void> {
    await this.settle();
    await this.#sweep();
    const before = this.#state();
    const written = await this.#world.zooKeeper.writtenUntilQuiet();
    const after = this.#state();
    if (after !== before) this.#world.wrong(`it does not rest: ${before} becomes ${after}`);
    if (written.at(-1) !== 0n) this.#world.wrong(`it does not rest: ${written.join(", ")} transactions`);
    for (const left of await this.#leftInTree()) this.#world.wrong(`${left} is left`);
  }

  /**
   * Removes the lock roots of requests, all of which are gone. Launchers do that when a root is ten minutes old, which may be
   * while it is looked whether anything happens.
   */
  async #sweep(): Promise<void> {
    const { session } = this.#world;
    for (const id of await session.children(REQUEST_LOCKS)) {
      await session.delete(requestLockPath(id), -1).catch((error: unknown) => {
        if (!isZooKeeperError(error, "NO_NODE", "NOT_EMPTY")) throw error;
      });
    }
  }

  async #until(what: string, check: (short: readonly string[]) => boolean): Promise<void> {
    const look = () => this.#world.view.current && check(this.#shortcomings());
    await until(what, look, SETTLED_MS).catch((error: Error) => {
      const short = this.#shortcomings().join("\n  ");
      this.#world.wrong(`${error.message}: ${this.#surplus()} nodes too many\n  ${short}\n${this.#state()}`);
    });
  }

  #idle(label: string) {
    return [...this.#world.view.nodes()].filter(
      ({ record }) => record?.state === "ready" && record.allocatedTo === null && record.type.includes(label),
    );
  }

  #surplus(): number {
    const counts = [...Object.values(WHOLE.minReady), ...Object.values(WHOLE.hosts)];
    const wanted = counts.reduce((sum, count) => sum + count, 0);
    return [...this.#world.view.nodes()].length - wanted;
  }

  /** What is not as it should be at rest, but for idle nodes that are too many. */
  #shortcomings(): string[] {
    const { view, cloud } = this.#world;
    const nodes = [...view.nodes()];
    const recorded = new Set(nodes.map(({ record }) => record?.externalId));
    const existing = new Set(cloud.instances.keys());
    return [
      ...Array.from(view.requests(), ({ id, record }) => `request ${id} is ${record?.state}`),
      ...nodes.flatMap(({ id, record, lock }) => {
        const isFree = record?.allocatedTo === null && record.tenantName === null;
        const isIdle = record?.state === "ready" && isFree;
        // It goes when nothing is on it any more.
        if (record?.state === "in-use" && sharedOf(record) !== null) return [];
        const isSlot = record !== null && record.slot !== null;
        const isThere = isSlot || existing.has(String(record?.externalId));
        if (isIdle && isThere && lock.contenders.length === 0) return [];
        const { state, allocatedTo, tenantName } = record ?? {};
        return [`node ${id} is ${JSON.stringify({ state, allocatedTo, tenantName, lock, isThere })}`];
      }),
      ...[...cloud.instances.values()].flatMap(({ externalId, name, metadata }) =>
        recorded.has(externalId)
          ? []
          : [`instance ${externalId} (${name} of node ${metadata[METADATA.node]}) has no record`],
      ),
      ...Array.from(cloud.leftovers.keys(), (id) => `${id} is left at the cloud`),
      ...COUNTED.flatMap((label) => {
        const missing = (WHOLE.minReady[label] ?? 0) - this.#idle(label).length;
        return missing > 0 ? [`${label} lacks ${missing} nodes`] : [];
      }),
      ...this.#missingSlots().map((slot) => `${slot} is not ready`),
    ];
  }

  /** Slots of hosts without a node that is idle. */
  #missingSlots(): string[] {
    const idle = this.#idle(HOST_LABEL).map(
      ({ record }) => `${record?.slot} of ${record?.hostname}:${record?.connectionPort}`,
    );
    return Object.entries(WHOLE.hosts).flatMap(([letter, count]) => {
      const { name, port } = this.#world.hosts.get(letter) ?? {};
      const slots = Array.from({ length: count }, (_, slot) => `${slot} of ${name}:${port}`);
      return slots.filter((slot) => !idle.includes(slot)).map((slot) => `slot ${slot}`);
    });
  }

  #state(): string {
    const { view, cloud } = this.#world;
    const nodes = Array.from(view.nodes(), ({ id, version, record }) => `${id} v${version} ${record?.state}`);
    const requests = Array.from(view.requests(), ({ id, record }) => `${id} ${record?.state}`);
    return JSON.stringify({ nodes: nodes.sort(), requests, changes: cloud.changes });
  }

  /** Locks of idle nodes, lines before the locks of requests, and marks of claims: one a scope is kept. */
  async #leftInTree(): Promise<string[]> {
    const { session } = this.#world;
    const children = (path: string) =>
      session.children(path).catch((error: unknown) => {
        if (isZooKeeperError(error, "NO_NODE")) return [];
        throw error;
      });
    const left: string[] = [];
    for (const id of await children(NODES)) left.push(...(await children(nodeLockPath(id))));
    for (const id of await children(REQUEST_LOCKS)) {
      for (const contender of await children(`${REQUEST_LOCKS}/${id}`)) left.push(`${id}/${contender}`);
    }
    for (const scope of await children(CLAIMS)) {
      const marks = await children(`${CLAIMS}/${scope}`);
      if (marks.length !== 1) left.push(`${scope} with ${marks.length} marks`);
    }
    return left;
  }
}
