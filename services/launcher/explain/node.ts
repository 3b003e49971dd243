// Explains a node: why it is in its state, what it waits for, and when it goes. Pure.
import { sharedOf, shareOf } from "../../../lib/model/shared_node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { keys } from "../actions.ts";
import { outOfService } from "../host/record.ts";
import { poolKey } from "../pool/served.ts";
import { holdWishOf, nodeLeaseOf } from "../request/own_data.ts";
import type { Decided, Explanation } from "./explanation.ts";
import { hostFacts } from "./host.ts";

export function explainNode({ world }: Pick<Decided, "world">, node: NodeEntry): Explanation {
  const { record, id } = node;
  const nothing = { pools: [], before: null };
  if (record === null) {
    return { ...nothing, summary: node.problem ?? "its document cannot be read", facts: [] };
  }
  const age = Math.max(0, Math.round(world.now - record.stateTime));
  const place = poolKey(record.provider, record.pool);
  const facts = [`it has been ${record.state} for ${age} s in ${place}`];
  const { hand } = world;
  if (record.allocatedTo !== null) facts.push(`it is allocated to request ${record.allocatedTo}`);
  const lease = nodeLeaseOf(record);
  if (lease !== null) facts.push(`the lease of request ${lease.request} holds it`);
  else if (node.lock.contenders.length > 0) facts.push("it is locked by who uses it or works on it");
  if (holdWishOf(record) !== null || hand.holdWishes.has(id)) facts.push("it is held when it is returned");
  const launch = hand.launches.get(id);
  if (launch !== undefined)
    facts.push(`this launcher's launch of it: ${launch.status} ${launch.reason}`.trim());
  const retry = hand.retryAt(keys.node(id));
  if (retry !== null) facts.push(`something about it failed; next try in ${Math.ceil(retry - world.now)} s`);
  const more = [...sharingOf(world, id, record), ...hostFacts(world, id), ...endOf(world, record)];
  return { ...nothing, summary: summaryOf(world, node, record), facts: [...facts, ...more] };
}

type NodeRecord = NonNullable<NodeEntry["record"]>;

function summaryOf({ hand, pools }: Decided["world"], { id, lock }: NodeEntry, record: NodeRecord): string {
  const isServed = pools.some(({ provider }) => provider.name === record.provider);
  const ours = isServed ? "" : `; provider '${record.provider}' is not served by this launcher`;
  switch (record.state) {
    case "init":
      return `it is recorded and waits for its launch${ours}`;
    case "building":
      if (hand.launches.has(id)) return "this launcher launches it";
      return lock.contenders.length > 0 ? `another launcher launches it${ours}` : `nobody launches it${ours}`;
    case "ready":
      return record.allocatedTo === null ? `it is ready for a request${ours}` : "it waits for its requester";
    case "in-use":
      return "it is in use";
    case "testing":
      return `its host is out of service: ${outOfService(record) ?? ""}`;
    case "hold":
      return `it is held${record.comment === null ? "" : `: ${record.comment}`}`;
    default:
      return hand.deletions.has(id)
        ? "it is being deleted at its provider"
        : `it waits for its deletion${ours}`;
  }
}

/** What it shares, what it stands on, or why it has nothing to stand on yet. */
function sharingOf({ pools, tree }: Decided["world"], id: string, record: NodeRecord): string[] {
  const [share, shared] = [shareOf(record), sharedOf(record)];
  const provider = shared?.provider ?? record.provider;
  const driver = pools.find((pool) => pool.provider.name === provider)?.driver;
  const progress = driver?.progress?.(id) ?? null;
  const facts: string[] = [];
  if (share !== null) {
    const backing = tree.node(share.backingNode)?.record;
    const state = backing ? `${backing.state} in ${poolKey(backing.provider, backing.pool)}` : "gone";
    facts.push(`it stands on slot ${share.slot} of node ${share.backingNode}, which is ${state}`);
  }
  if (shared !== null)
    facts.push(`provider ${shared.provider} shares it out to nodes of label ${shared.label}`);
  return progress === null ? facts : [...facts, progress];
}

/** When age alone ends it. */
function endOf({ config, now }: Decided["world"], record: NodeRecord): string[] {
  const limits: [string, number][] = [];
  if (record.state === "ready" && record.allocatedTo === null) {
    for (const label of record.type) {
      limits.push([`max-ready-age of ${label}`, config.labels.get(label)?.maxReadyAge || Infinity]);
    }
  }
  if (record.state === "hold") {
    limits.push(["its own hold_expiration", record.holdExpiration || Infinity]);
    limits.push(["max-hold-age", config.maxHoldAge]);
  }
  return limits
    .filter(([, limit]) => Number.isFinite(limit))
    .map(([name, limit]) => `${name} ends it in ${Math.max(0, Math.ceil(record.stateTime + limit - now))} s`);
}
