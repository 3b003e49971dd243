// Carries out what was decided about backing nodes: each is one transaction, fenced by the versions that the decision
// saw and by the provider's contender in the backing node's lock.
import { withNodeState } from "../../model/node.ts";
import { nodeLockPath, requestPath } from "../../model/paths.ts";
import { newRequest } from "../../model/request.ts";
import {
  encodeShare,
  encodeShared,
  encodeSharedLabel,
  sharerName,
  withoutFurtherNodes,
} from "../../model/shared_node.ts";
import { createRequest, setNode } from "../../zookeeper/operations.ts";
import type { Operation } from "../../zookeeper/types.ts";
import type { NodeEntry, RequestEntry } from "../../zookeeper/view.ts";
import type { Claim, Nodepool } from "../nodepool.ts";
import type { SharedEntry } from "./records.ts";

/** Nodepool's priority of requests for backing nodes. */
const PRIORITY = 100;

const EMPTY = new Uint8Array();

/** Fails the transaction unless the provider holds the backing node. */
function holds(entry: SharedEntry): Operation {
  return { kind: "check", path: entry.contender ?? nodeLockPath(entry.node.id), version: -1 };
}

/** What is written to give a node a slot: the backing node is written too, so that no two get the same one. */
export function claimOf(
  entry: SharedEntry,
  node: string,
  slot: number,
  metadata: Readonly<Record<string, string>>,
): Claim {
  const { id, record, version } = entry.node;
  const driverData = encodeShare(node, { backingNode: id, slot, metadata });
  return { driverData, slot, operations: [holds(entry), setNode(id, record, version)] };
}

/** Asks for backing nodes, by requests that go with our session. */
export async function ask(
  nodepool: Nodepool,
  provider: string,
  wish: {
    readonly label: string;
    /** Labels that stand on it. */
    readonly above: readonly string[];
    readonly backingLabel: string;
    readonly count: number;
    readonly now: number;
  },
): Promise<void> {
  const operations = Array.from({ length: wish.count }, () => {
    const request = newRequest(wish.now, {
      nodeTypes: [wish.backingLabel],
      requestor: sharerName(provider),
      requestorData: encodeSharedLabel(wish.label, wish.above),
      eventId: nodepool.newUuid().replaceAll("-", ""),
    });
    return createRequest(PRIORITY, request, { ephemeral: true });
  });
  await nodepool.step("backing.ask", () => nodepool.session.multi(operations));
}

/** Ends a request as it was seen. */
export async function withdraw(nodepool: Nodepool, { id, version }: RequestEntry): Promise<void> {
  const operations: Operation[] = [{ kind: "delete", path: requestPath(id), version }];
  await nodepool.step("backing.withdraw", () => nodepool.session.multi(operations));
}

/** Takes the node of a fulfilled request: locked beyond our session, marked as shared, in use; the request goes. */
export async function take(
  nodepool: Nodepool,
  provider: string,
  request: RequestEntry,
  node: NodeEntry,
  terms: { readonly label: string; readonly slots: number; readonly now: number },
): Promise<void> {
  const { record, id, version, lock } = node;
  if (record === null || request.record === null) return;
  const launched = request.record.createdTime ?? terms.now;
  const { label, slots } = terms;
  const userData = encodeShared({ provider, label, slots, failed: false, launched });
  const root = nodeLockPath(id);
  const owner = new TextEncoder().encode(sharerName(provider));
  const contender = `${root}/${nodepool.newUuid().replaceAll("-", "")}__lock__`;
  const operations: Operation[] = [
    ...(lock.exists ? [{ kind: "delete", path: root, version: -1 } as const] : []),
    { kind: "create", path: root, data: EMPTY, mode: "persistent" },
    { kind: "create", path: contender, data: owner, mode: "persistent-sequential" },
    setNode(id, { ...withNodeState(record, "in-use", terms.now), userData }, version),
    { kind: "delete", path: requestPath(request.id), version: request.version },
  ];
  await nodepool.step("backing.take", () => nodepool.session.multi(operations));
}

/** Lets no further node onto a backing node; the reason goes into its comment. */
export async function fail(nodepool: Nodepool, entry: SharedEntry, reason: string): Promise<void> {
  const { id, record, version } = entry.node;
  const failed = withoutFurtherNodes(record, entry.shared, reason);
  const operations = [holds(entry), setNode(id, failed, version)];
  await nodepool.step("backing.fail", () => nodepool.session.multi(operations));
}

/** Gives a backing node back to whoever launched it. */
export async function retire(nodepool: Nodepool, entry: SharedEntry, now: number): Promise<void> {
  const { id, record, version } = entry.node;
  const release: Operation = { kind: "delete", path: entry.contender ?? nodeLockPath(id), version: -1 };
  const used = record.state === "in-use" ? withNodeState(record, "used", now) : record;
  const operations = [setNode(id, used, version), release];
  await nodepool.step("backing.retire", () => nodepool.session.multi(operations));
}
