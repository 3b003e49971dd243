// What the nodes of the tree come to: who uses how much, who is free, who belongs to which request. Kept up node by
// node, so that looking at it costs the same with ten nodes and with ten thousand.

import type { NodeRecord } from "../../../lib/model/node.ts";
import { shareOf } from "../../../lib/model/shared_node.ts";
import { SortedList } from "../../../lib/std/sorted_list.ts";
import { isReadable, type NodeEntry } from "../../../lib/zookeeper/view.ts";
import { type Hand, keys, type Tree } from "../actions.ts";
import {
  type Circumstances,
  isIdle,
  isSame,
  newShare,
  type ReadableNode,
  type Share,
  takesSame,
} from "./node_share.ts";
import { type Amounts, NOTHING } from "./quota.ts";
import { isUnoffered, nameOf, poolKey, type ServedPool } from "./served.ts";
import { Tally } from "./tally.ts";

const NONE: readonly never[] = [];
const byId = (left: { readonly id: string }, right: { readonly id: string }) =>
  left.id < right.id ? -1 : left.id > right.id ? 1 : 0;
const byTime = (left: ReadableNode, right: ReadableNode) =>
  left.record.stateTime - right.record.stateTime || byId(left, right);

export class NodeIndex {
  readonly #tree: Tree;
  readonly #hand: Hand;
  readonly #served: ReadonlyMap<string, ServedPool>;
  readonly #shares = new Map<string, Share>();
  readonly #poolUse = new Tally();
  readonly #providerUse = new Tally();
  readonly #tenantUse = new Tally();
  readonly #counts = new Map<string, number>();
  /** Free nodes by pool, and by pool and label, in the order of their ids. */
  readonly #free = new Map<string, SortedList<ReadableNode>>();
  /** Nodes on their way out, by pool, in the order in which they set out. */
  readonly #leaving = new Map<string, SortedList<ReadableNode>>();
  readonly #byRequest = new Map<string, Map<string, ReadableNode>>();
  /** The nodes that have a share of a node, by its id. */
  readonly #standing = new Map<string, Set<string>>();
  /** Nodes of which it depends on the registered pools what becomes of them. */
  readonly unsettled = new Set<string>();

  constructor(tree: Tree, hand: Hand, pools: readonly ServedPool[]) {
    this.#tree = tree;
    this.#hand = hand;
    this.#served = new Map(pools.map((pool) => [nameOf(pool), pool]));
  }

  /** Counts a node anew. Returns the requests that it belongs to or has belonged to. */
  update(id: string): readonly string[] {
    const before = this.#shares.get(id);
    const entry = this.#tree.node(id);
    if (!isReadable(entry)) {
      this.#shares.delete(id);
      this.#replace(before, undefined);
      return before?.requests ?? NONE;
    }
    const circumstances = this.#circumstancesOf(entry, entry.record);
    if (before?.node === entry && isSame(before, circumstances)) return before.requests;
    const share = newShare(entry, circumstances);
    this.#shares.set(id, share);
    this.#replace(before, share);
    return before === undefined ? share.requests : [...before.requests, ...share.requests];
  }

  #circumstancesOf(entry: NodeEntry, record: NodeRecord): Circumstances {
    const { allocatedTo, provider, state } = record;
    const served = this.#served.get(poolKey(provider, record.pool));
    const launch = this.#hand.launches.get(entry.id);
    // A node is recorded first, and its launch begins with the next decision.
    const isComing = state === "init" || state === "building";
    const isDue = isComing && launch === undefined && served?.id === record.launcher;
    return {
      resources: record.resources ?? served?.resourcesOf(record.type[0] ?? "") ?? null,
      belongs: allocatedTo !== null && this.#tree.request(allocatedTo) !== undefined,
      isBusy: isIdle(entry, record) && this.#hand.isBusy(keys.node(entry.id)),
      isUnoffered: isUnoffered(record, served, this.#hand),
      launchingAt: launch?.status === "launching" || isDue ? provider : null,
    };
  }

  #replace(before: Share | undefined, after: Share | undefined): void {
    // As it does for most of its life.
    const isTakenSame = before !== undefined && after !== undefined && takesSame(before, after);
    if (before !== undefined) {
      if (!isTakenSame) this.#take(before, -1);
      this.#place(before, -1);
      for (const request of before.requests) {
        if (!after?.requests.includes(request)) this.#unlink(request, before.node.id);
      }
    }
    if (after === undefined) return;
    if (!isTakenSame) this.#take(after, 1);
    this.#place(after, 1);
    for (const request of after.requests) this.#link(request, after.node);
  }

  #take({ pool, provider, tenant, amounts }: Share, sign: 1 | -1): void {
    this.#poolUse.add(pool, amounts, sign);
    this.#providerUse.add(provider, amounts, sign);
    if (tenant !== null) this.#tenantUse.add(tenant, amounts, sign);
  }

  #place(share: Share, sign: 1 | -1): void {
    const { node, pool } = share;
    if (share.isFree) {
      enter(this.#free, byId, pool, node, sign);
      for (const label of node.record.type) enter(this.#free, byId, `${pool}\n${label}`, node, sign);
    }
    if (share.isLeaving) enter(this.#leaving, byTime, pool, node, sign);
    if (share.isBusy) this.#count(`busy ${pool}`, sign);
    for (const label of share.readyFor) this.#count(`ready ${label}`, sign);
    if (share.comingFor !== null) this.#count(`coming ${share.comingFor}`, sign);
    if (share.launchingAt !== null) this.#count(`launching ${share.launchingAt}`, sign);
    if (share.standsOn !== null) this.#stand(share.standsOn, node.id, sign);
    if (share.isUnsettled && sign === 1) this.unsettled.add(node.id);
    else this.unsettled.delete(node.id);
  }

  #count(key: string, by: number): void {
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }

  #link(request: string, node: ReadableNode): void {
    const nodes = this.#byRequest.get(request) ?? new Map<string, ReadableNode>();
    this.#byRequest.set(request, nodes.set(node.id, node));
  }

  #unlink(request: string, node: string): void {
    const nodes = this.#byRequest.get(request);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#byRequest.delete(request);
  }

  #stand(backing: string, node: string, sign: 1 | -1): void {
    const nodes = this.#standing.get(backing) ?? new Set<string>();
    if (sign === 1) nodes.add(node);
    else nodes.delete(node);
    if (nodes.size === 0) this.#standing.delete(backing);
    else this.#standing.set(backing, nodes);
  }

  /** The nodes that have a share of a node. */
  standingOn(backing: string): Iterable<string> {
    return this.#standing.get(backing) ?? NONE;
  }

  /** What all nodes of a pool take, by {@link poolKey}. */
  usedByPool(pool: string): Amounts {
    return this.#poolUse.of(pool);
  }

  usedByProvider(provider: string): Amounts {
    return this.#providerUse.of(provider);
  }

  /** What a node takes; nothing when it is gone or cannot be read. */
  amountsOf(id: string): Amounts {
    return this.#shares.get(id)?.amounts ?? NOTHING;
  }

  usedByTenant(tenant: string | null): Amounts {
    return tenant === null ? NOTHING : this.#tenantUse.of(tenant);
  }

  /** Launches under way at a provider, by this process. */
  launchingAt(provider: string): number {
    return this.#counts.get(`launching ${provider}`) ?? 0;
  }

  /** Idle nodes of a pool that are about to be deleted or given away. */
  busyIn(pool: string): number {
    return this.#counts.get(`busy ${pool}`) ?? 0;
  }

  /** When (seconds) the last of the nodes that are on their way out of a pool set out; null when there are none. */
  lastToLeave(pool: string): number | null {
    return this.#leaving.get(pool)?.items.at(-1)?.record.stateTime ?? null;
  }

  /** Ready nodes of a label that belong to no request that still exists, in any pool. */
  readyOf(label: string): number {
    return this.#counts.get(`ready ${label}`) ?? 0;
  }

  /** Nodes on their way for a label's min-ready whose request is gone. */
  comingOf(label: string): number {
    return this.#counts.get(`coming ${label}`) ?? 0;
  }

  /** Ready, unallocated, unlocked nodes of a pool that nothing is planned for, oldest first; of one label if given. */
  freeIn(pool: string, label?: string): readonly ReadableNode[] {
    return this.#free.get(label === undefined ? pool : `${pool}\n${label}`)?.items ?? NONE;
  }

  /** The nodes that belong to a request, by id. */
  nodesOf(request: string): readonly ReadableNode[] {
    const nodes = this.#byRequest.get(request);
    if (nodes === undefined) return NONE;
    const all = [...nodes.values()];
    return all.length > 1 ? all.sort(byId) : all;
  }
}

/** Adds a node to the list of a key, or takes it out with -1; an empty list is none. */
function enter(
  lists: Map<string, SortedList<ReadableNode>>,
  order: (left: ReadableNode, right: ReadableNode) => number,
  key: string,
  node: ReadableNode,
  sign: 1 | -1,
): void {
  const list = lists.get(key) ?? new SortedList<ReadableNode>(order);
  if (sign === 1) list.add(node);
  else list.remove(node);
  if (list.size === 0) lists.delete(key);
  else lists.set(key, list);
}

/** Whether a node is gone or on its way there: what stands on it is of no use any more. */
export function isGoing(node: NodeEntry | undefined): boolean {
  return node === undefined || node.record?.state === "deleting" || node.record?.state === "deleted";
}

/** Why a node is of no use any more, whoever is to get it; null when it may be. */
export function whyUseless(tree: Tree, record: NodeRecord): string | null {
  const backing = shareOf(record)?.backingNode ?? null;
  if (backing === null || !isGoing(tree.node(backing))) return null;
  return `node ${backing}, of which it is a share, is gone or being deleted`;
}
