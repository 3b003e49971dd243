// The indexes as they will be when what was decided in this pass is done: an overlay that is thrown away afterwards.
import type { WorldIndex } from "../world_index.ts";
import type { NodeIndex } from "./node_index.ts";
import type { ReadableNode } from "./node_share.ts";
import { type Amounts, add, amountsOf, NOTHING } from "./quota.ts";
import type { Reservations } from "./reservations.ts";
import { nameOf, type ServedPool } from "./served.ts";
import { Tally } from "./tally.ts";

export type { ReadableNode } from "./node_share.ts";

type Indexes = Pick<WorldIndex, "nodes" | "reserved">;

/** A node that is being deleted is expected to be gone after this many seconds. */
const LEAVE_SECONDS = 300;

/** What a request asks of free nodes. */
export interface Wish {
  readonly labels: readonly string[];
  /** Only nodes of this zone; null: the first one found decides. */
  readonly zone: string | null;
}

/** A part of what a tenant may have that is kept for one of its requests. */
export interface Share {
  readonly request: string;
  readonly amounts: Amounts;
}

export class Census {
  readonly #nodes: NodeIndex;
  readonly #reserved: Reservations;
  readonly #planned = { pool: new Tally(), provider: new Tally(), tenant: new Tally() };
  readonly #launches = new Map<string, number>();
  readonly #shares = new Map<string, Share>();
  readonly #evicted = new Set<string>();
  readonly #taken = new Set<string>();
  readonly #kept = new Set<string>();
  /** How many of the first free nodes of a list are taken: they need not be looked at again. */
  readonly #skipped = new Map<string, number>();

  constructor(index: Indexes) {
    this.#nodes = index.nodes;
    this.#reserved = index.reserved;
  }

  /** What all nodes of a pool and all that is planned there take. */
  usedByPool(pool: ServedPool): Amounts {
    const name = nameOf(pool);
    return sum(this.#nodes.usedByPool(name), this.#reserved.pools.of(name), this.#planned.pool.of(name));
  }

  usedByProvider(pool: ServedPool): Amounts {
    const { name } = pool.provider;
    return sum(
      this.#nodes.usedByProvider(name),
      this.#reserved.providers.of(name),
      this.#planned.provider.of(name),
    );
  }

  usedByTenant(tenant: string): Amounts {
    return sum(
      this.#nodes.usedByTenant(tenant),
      this.#reserved.tenants.of(tenant),
      this.#planned.tenant.of(tenant),
    );
  }

  /** Keeps a part of what a tenant may have for a request, unless an earlier one has such a part. */
  keepShare(tenant: string, request: string, amounts: Amounts): void {
    if (!this.#shares.has(tenant)) this.#shares.set(tenant, { request, amounts });
  }

  /** What is kept of what a tenant may have; undefined when there is nothing. */
  shareOf(tenant: string): Share | undefined {
    return this.#shares.get(tenant);
  }

  /** Launches under way or planned at the pool's provider, by this process. */
  launchingAt(pool: ServedPool): number {
    const { name } = pool.provider;
    const claimed = this.#reserved.launches.of(name).instances ?? 0;
    return this.#nodes.launchingAt(name) + claimed + (this.#launches.get(name) ?? 0);
  }

  /**
   * Until when (seconds) nodes on their way out of a pool may be expected to make room: a provider may be unable to
   * delete one, for days. -Infinity where there are none.
   */
  makesRoomUntil(pool: ServedPool): number {
    const name = nameOf(pool);
    if (this.#evicted.has(name) || this.#nodes.busyIn(name) > 0) return Infinity;
    return (this.#nodes.lastToLeave(name) ?? -Infinity) + LEAVE_SECONDS;
  }

  /** The oldest free node of a pool that nothing is planned for and that is none of these. */
  oldestFree(pool: ServedPool, besides: ReadonlySet<string>): ReadableNode | undefined {
    const key = nameOf(pool);
    const free = this.#nodes.freeIn(key);
    for (let at = this.#firstLeft(key, free); at < free.length; at += 1) {
      const node = free[at];
      if (node !== undefined && !this.#taken.has(node.id) && !besides.has(node.id)) return node;
    }
    return undefined;
  }

  /** Free nodes for these labels, each once and all in one zone, oldest first; null where there is none. */
  pick(pool: ServedPool, { labels, zone }: Wish): (ReadableNode | null)[] {
    const chosen = new Set<string>();
    let place = zone;
    return labels.map((label) => {
      const free = this.#nodes.freeIn(nameOf(pool), label);
      for (let at = this.#firstLeft(`${nameOf(pool)}\n${label}`, free); at < free.length; at += 1) {
        const node = free[at];
        if (node === undefined || this.#taken.has(node.id) || chosen.has(node.id)) continue;
        if (place !== null && node.record.az !== place) continue;
        place = node.record.az;
        chosen.add(node.id);
        return node;
      }
      return null;
    });
  }

  /** The free nodes of a label in a pool that nothing is planned for, oldest first. */
  *freeOf(pool: ServedPool, label: string): Iterable<ReadableNode> {
    for (const node of this.#nodes.freeIn(nameOf(pool), label)) if (!this.#taken.has(node.id)) yield node;
  }

  #firstLeft(key: string, free: readonly ReadableNode[]): number {
    let at = this.#skipped.get(key) ?? 0;
    while (this.#taken.has(free[at]?.id ?? "")) at += 1;
    this.#skipped.set(key, at);
    return at;
  }

  /** The nodes that are allocated to a request. */
  nodesOf(request: string): readonly ReadableNode[] {
    return this.#nodes.nodesOf(request).filter((node) => node.record.allocatedTo === request);
  }

  /** Plans a launch. */
  reserve(pool: ServedPool, label: string, tenant: string | null): void {
    const amounts = amountsOf(pool.resourcesOf(label));
    this.#planned.pool.add(nameOf(pool), amounts, 1);
    this.#planned.provider.add(pool.provider.name, amounts, 1);
    if (tenant !== null) this.#planned.tenant.add(tenant, amounts, 1);
    bump(this.#launches, pool.provider.name);
  }

  /** Plans to give a free node away. */
  take(node: ReadableNode, tenant: string | null): void {
    this.#taken.add(node.id);
    if (tenant !== null) this.#planned.tenant.add(tenant, this.#nodes.amountsOf(node.id), 1);
  }

  /** Keeps a free node for a request that cannot be served yet. */
  keep(node: ReadableNode): void {
    this.#taken.add(node.id);
    this.#kept.add(node.id);
  }

  /** Whether a free node is kept for a request that cannot be served yet. */
  isKept(node: string): boolean {
    return this.#kept.has(node);
  }

  /** Plans to delete a free node. */
  evict(pool: ServedPool, node: ReadableNode): void {
    this.take(node, null);
    this.#evicted.add(nameOf(pool));
  }
}

const sum = (...amounts: readonly Amounts[]) => amounts.reduce(add, NOTHING);

function bump(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
