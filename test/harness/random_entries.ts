// Nodes and requests of a world in which anything may change at any time.
import { NODE_STATES } from "../../lib/model/node.ts";
import { MIN_READY_REQUESTOR, REQUEST_STATES } from "../../lib/model/request.ts";
import { encodeShare } from "../../lib/model/shared_node.ts";
import type { NodeEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import { encodeNodeLease, encodeOwnData, withHoldWish } from "../../services/launcher/request/own_data.ts";
import type { Random } from "../simulation/random.ts";
import type { RandomHosts } from "./random_hosts.ts";
import { node, request } from "./world.ts";

export const LABELS = ["small", "large", "huge"];
export const PROVIDERS = ["alpha", "beta"];

/** What entries are made from. */
export interface Given {
  readonly random: Random;
  readonly now: number;
  readonly hosts: RandomHosts;
  /** The id of a pool of ours. */
  readonly own: string;
  readonly nodes: readonly string[];
  readonly requests: readonly string[];
}

/** A node that was launched, or a slot of a host. */
export function randomNode(id: string, { random, now, hosts, own, nodes, requests }: Given): NodeEntry {
  const someRequest = random.pick([null, null, ...requests, "200-gone"]);
  const lease = { request: someRequest ?? "200-gone", contender: "aa" };
  const common = {
    allocatedTo: someRequest,
    tenantName: random.pick([null, "limited"]),
    stateTime: now - random.below(100),
    locked: random.chance(0.3),
  };
  if (random.chance(0.3)) return hosts.node(id, common);
  const share = { backingNode: random.pick([...nodes, "gone"]), slot: 0, metadata: {} };
  const entry = node(id, random.pick(NODE_STATES), {
    ...common,
    provider: random.pick([...PROVIDERS, "elsewhere"]),
    type: [random.pick(LABELS)],
    az: random.pick([null, "z1", "z2"]),
    requestor: random.pick(["zuul", MIN_READY_REQUESTOR]),
    launcher: random.pick([own, "other x/main", "nobody"]),
    externalId: random.pick([null, "e1"]),
    userData: random.chance(0.3) ? encodeNodeLease(lease) : null,
    driverData: random.chance(0.3) ? encodeShare(id, share) : null,
    resources: random.pick([null, { instances: 1, cores: 1 + random.below(4), ram: 512 }]),
  });
  if (random.chance(0.05)) return { ...entry, record: null, problem: "broken" };
  return entry.record !== null && random.chance(0.1)
    ? { ...entry, record: withHoldWish(entry.record, { reason: "", expireSeconds: 0 }) }
    : entry;
}

/** A request whose id says whether it is for min-ready. */
export function randomRequest(id: string, { random, now, own }: Given): RequestEntry {
  const isOwn = id.startsWith("900");
  const lease = { duration: 60, expires: now + random.below(120) - 20 };
  const label = () => random.pick([...LABELS, "small", "box"]);
  const entry = request(id, {
    nodeTypes: Array.from({ length: 1 + random.below(isOwn ? 1 : 3) }, label),
    state: random.chance(0.6) ? "requested" : random.pick(REQUEST_STATES),
    reuse: random.chance(0.7),
    relativePriority: random.below(3),
    provider: random.pick([null, null, "alpha", "beta", "nowhere"]),
    tenantName: random.pick([null, null, "limited", "free"]),
    declinedBy: random.chance(0.2) ? [own] : [],
    createdTime: now - random.pick([0, 30, 61, 300]),
    requestor: isOwn ? MIN_READY_REQUESTOR : "zuul",
    requestorData: isOwn
      ? encodeOwnData({ minReady: true })
      : random.chance(0.3)
        ? encodeOwnData({ lease })
        : null,
    locked: random.chance(0.15),
  });
  return random.chance(0.05) ? { ...entry, record: null, problem: "broken" } : entry;
}
