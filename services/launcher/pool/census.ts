// One count over all nodes, kept up while a decision is made: what each pool uses, who is free, what is planned.
import type { NodeRecord } from "../../../lib/model/node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { type Hand, keys, type Tree } from "../actions.ts";
import { type Amounts, add, amountsOf, NOTHING } from "./quota.ts";
import { nameOf, poolKey, type ServedPool } from "./served.ts";

/** A node whose document can be read. */
export type ReadableNode = NodeEntry & { readonly record: NodeRecord };

const LEAVING = new Set(["used", "deleting", "deleted", "failed", "aborted"]);

export class Census {
  readonly #poolUse = new Map<string, Amounts>();
  readonly #providerUse = new Map<string, Amounts>();
  /** Free ready nodes by pool, in the order of their ids. */
  readonly #free = new Map<string, ReadableNode[]>();
  readonly #freeByLabel = new Map<string, number>();
  readonly #byRequest = new Map<string, ReadableNode[]>();
  readonly #leaving = new Map<string, number>();
  readonly #launching = new Map<string, number>();
  readonly #tree: Tree;

  constructor(tree: Tree, hand: Hand, pools: readonly ServedPool[]) {
    this.#tree = tree;
    const served = new Map(pools.map((pool) => [nameOf(pool), pool]));
    for (const entry of tree.nodes()) {
      if (entry.record !== null) this.#count({ ...entry, record: entry.record }, hand, served);
    }
    for (const free of this.#free.values()) free.sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const launch of hand.launches.values()) {
      if (launch.status === "launching") bump(this.#launching, launch.pool.provider.name, 1);
    }
    for (const [request, claim] of hand.claims) this.#countClaim(request, claim.pool, claim.labels);
  }

  #count(entry: ReadableNode, hand: Hand, served: ReadonlyMap<string, ServedPool>): void {
    const { record, id } = entry;
    const key = poolKey(record.provider, record.pool);
    const fallback = served.get(key)?.resourcesOf(record.type[0] ?? "") ?? null;
    this.#use(key, record.provider ?? "", amountsOf(record.resources ?? fallback));
    if (record.allocatedTo !== null) push(this.#byRequest, record.allocatedTo, entry);
    if (LEAVING.has(record.state)) bump(this.#leaving, key, 1);
    if (record.state !== "ready") return;
    const unallocated = record.allocatedTo === null;
    if (unallocated || this.#tree.request(record.allocatedTo ?? "") === undefined) {
      for (const label of record.type) bump(this.#freeByLabel, label, 1);
    }
    if (!unallocated || entry.lock.contenders.length > 0) return;
    if (hand.isBusy(keys.node(id))) bump(this.#leaving, key, 1);
    else push(this.#free, key, entry);
  }

  // The nodes of a claim come into view while it is still being made: only the others are counted here.
  #countClaim(request: string, pool: ServedPool, labels: readonly string[]): void {
    const visible = this.nodesOf(request).filter((node) => node.record.state === "init").length;
    for (const label of labels.slice(visible)) this.reserve(pool, label);
  }

  #use(pool: string, provider: string, amounts: Amounts): void {
    this.#poolUse.set(pool, add(this.#poolUse.get(pool) ?? NOTHING, amounts));
    this.#providerUse.set(provider, add(this.#providerUse.get(provider) ?? NOTHING, amounts));
  }

  /** What all nodes of a pool and all that is planned there take. */
  usedByPool(pool: ServedPool): Amounts {
    return this.#poolUse.get(nameOf(pool)) ?? NOTHING;
  }

  usedByProvider(pool: ServedPool): Amounts {
    return this.#providerUse.get(pool.provider.name) ?? NOTHING;
  }

  /** Launches under way or planned at the pool's provider, by this process. */
  launchingAt(pool: ServedPool): number {
    return this.#launching.get(pool.provider.name) ?? 0;
  }

  /** Nodes that are on their way out of a pool, and will make room. */
  leaving(pool: ServedPool): number {
    return this.#leaving.get(nameOf(pool)) ?? 0;
  }

  /** Ready, unallocated, unlocked nodes of a pool that nothing is planned for, oldest first. */
  freeIn(pool: ServedPool): readonly ReadableNode[] {
    return this.#free.get(nameOf(pool)) ?? [];
  }

  /** Ready nodes of a label that belong to no request that still exists, in any pool. */
  freeOf(label: string): number {
    return this.#freeByLabel.get(label) ?? 0;
  }

  /** The nodes that are allocated to a request. */
  nodesOf(request: string): readonly ReadableNode[] {
    return this.#byRequest.get(request) ?? [];
  }

  /** Plans a launch. */
  reserve(pool: ServedPool, label: string): void {
    this.#use(nameOf(pool), pool.provider.name, amountsOf(pool.resourcesOf(label)));
    bump(this.#launching, pool.provider.name, 1);
  }

  /** Plans something for a free node; it is free no more. */
  take(pool: ServedPool, node: ReadableNode, leaves: boolean): void {
    const free = this.#free.get(nameOf(pool)) ?? [];
    this.#free.set(
      nameOf(pool),
      free.filter((candidate) => candidate.id !== node.id),
    );
    for (const label of node.record.type) bump(this.#freeByLabel, label, -1);
    if (leaves) bump(this.#leaving, nameOf(pool), 1);
  }
}

function bump(map: Map<string, number>, key: string, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
