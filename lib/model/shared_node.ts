// Nodes that are shared out by the driver metastatic, and the nodes that have a share, as Nodepool records them.
//
// A shared node has as its user_data the JSON text {"owner", "label", "slots", "failed", "launched"}, and its lock is
// held by a persistent contender whose data is the owner. A node that has a share of it has as its driver_data the
// object {"metadata", "backing_node", "slot", "node"}. So it is in Nodepool's nodepool/driver/metastatic.
import type { NodeRecord } from "./node.ts";
import type { RequestRecord } from "./request.ts";

const OWNER_PREFIX = "NodePool:metastatic:";

/** Who requests and locks the nodes that a provider shares out. */
export function sharerName(provider: string): string {
  return `${OWNER_PREFIX}${provider}`;
}

/** What a node says of itself that is shared out. */
export interface SharedNode {
  /** The provider that shares it out. */
  readonly provider: string;
  /** The label of the nodes that get its slots. */
  readonly label: string;
  readonly slots: number;
  /** Whether it gets no further nodes. */
  readonly failed: boolean;
  /** When it was asked for, in seconds since the epoch. */
  readonly launched: number;
}

type Json = Readonly<Record<string, unknown>>;

const objectOrNull = (value: unknown): Json | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;

/** Reads what a node says of being shared; null for others. Whoever locks it tells whether it is true. */
export function sharedOf(record: Pick<NodeRecord, "userData">): SharedNode | null {
  if (typeof record.userData !== "string" || !record.userData.includes(OWNER_PREFIX)) return null;
  let data: Json | null;
  try {
    data = objectOrNull(JSON.parse(record.userData));
  } catch {
    return null;
  }
  const { owner, label, slots, failed, launched } = data ?? {};
  if (typeof owner !== "string" || !owner.startsWith(OWNER_PREFIX) || typeof label !== "string") return null;
  return {
    provider: owner.slice(OWNER_PREFIX.length),
    label,
    slots: typeof slots === "number" && slots > 0 ? Math.trunc(slots) : 0,
    failed: failed === true,
    launched: typeof launched === "number" ? launched : 0,
  };
}

/** A shared node's `user_data`, spaced as Python writes it. */
export function encodeShared({ provider, label, slots, failed, launched }: SharedNode): string {
  const fields = { owner: sharerName(provider), label, slots, failed, launched };
  const texts = Object.entries(fields).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`);
  return `{${texts.join(", ")}}`;
}

/** A shared node as it is when it gets no further nodes, and why. */
export function withoutFurtherNodes(record: NodeRecord, shared: SharedNode, reason: string): NodeRecord {
  const userData = encodeShared({ ...shared, failed: true });
  return { ...record, userData, comment: `takes no further nodes: ${reason}` };
}

/** A node's share of another. */
export interface NodeShare {
  readonly backingNode: string;
  readonly slot: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads which share a node has; null when it has none. */
export function shareOf(record: Pick<NodeRecord, "driverData">): NodeShare | null {
  const data = objectOrNull(record.driverData);
  const { backing_node: backingNode, slot } = data ?? {};
  if (typeof backingNode !== "string" || typeof slot !== "number") return null;
  const metadata = Object.entries(objectOrNull(data?.metadata) ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { backingNode, slot, metadata: Object.fromEntries(metadata) };
}

/** The `driver_data` of a node that has a share. */
export function encodeShare(node: string, { backingNode, slot, metadata }: NodeShare): Json {
  return { metadata, backing_node: backingNode, slot, node };
}

/** The label for whose nodes a request asks for a node to share out; null for requests of others and of Python's. */
export function sharedLabelOf(record: Pick<RequestRecord, "requestorData">): string | null {
  const label = objectOrNull(objectOrNull(record.requestorData)?.nodepool)?.shared_label;
  return typeof label === "string" ? label : null;
}

/**
 * The labels that stand on whatever a request asks for, the one that asks last; empty for requests of others. A label
 * among them leads back to itself.
 */
export function labelsAbove(requestorData: unknown): string[] {
  const label = sharedLabelOf({ requestorData });
  const above = objectOrNull(objectOrNull(requestorData)?.nodepool)?.labels_above;
  const names = Array.isArray(above) ? above.filter((name) => typeof name === "string") : [];
  return label === null ? [] : [...names, label];
}

/** The `requestor_data` of a request for a node to share out to a label, upon which other labels may stand. */
export function encodeSharedLabel(label: string, above: readonly string[] = []): Json {
  return { nodepool: { shared_label: label, ...(above.length > 0 ? { labels_above: above } : {}) } };
}
