// A request as the API shows it.
import { parseRequestId, type RequestState } from "../../../lib/model/request.ts";
import type { Node } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest, NodeRequest_State } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { int32Of, int64Of, timestampOf } from "../../../lib/rpc/values.ts";
import type { NodeEntry, RequestEntry } from "../../../lib/zookeeper/view.ts";
import { failureOf, ownDataOf } from "../request/own_data.ts";
import { nodeName, requestName, toNode } from "./node_message.ts";
import type { Shared } from "./shared.ts";

const STATES: Readonly<Record<RequestState, NodeRequest_State>> = {
  requested: NodeRequest_State.STATE_REQUESTED,
  pending: NodeRequest_State.STATE_PENDING,
  fulfilled: NodeRequest_State.STATE_FULFILLED,
  failed: NodeRequest_State.STATE_FAILED,
};

/** The request, with the reason why it waits as the last decision of this launcher has it. */
export function toRequest(shared: Shared, entry: RequestEntry): NodeRequest {
  const { id, record, problem } = entry;
  if (record === null) return NodeRequest.fromPartial({ name: requestName(id), reason: problem ?? "" });
  const lease = ownDataOf(record).lease;
  return {
    name: requestName(id),
    state: STATES[record.state],
    labels: [...record.nodeTypes],
    nodes: record.nodes.map(nodeName),
    requestor: record.requestor ?? "",
    priority: int32Of(Number(parseRequestId(id)?.priority ?? 0)),
    relativePriority: int64Of(record.relativePriority),
    provider: record.provider ?? "",
    tenant: record.tenantName ?? "",
    reuse: record.reuse,
    declinedBy: [...record.declinedBy],
    eventId: record.eventId ?? "",
    createTime: timestampOf(record.createdTime ?? entry.createdAt),
    stateTime: timestampOf(record.stateTime),
    leaseExpireTime: timestampOf(lease?.expires ?? null),
    reason: reasonOf(shared, entry),
  };
}

/** Whether more is to become of a request. */
export function isUnderWay(entry: RequestEntry | undefined): boolean {
  const state = entry?.record?.state;
  return state === "requested" || state === "pending";
}

/** Why a request waits or has failed; empty when there is nothing to say. */
export function reasonOf(shared: Shared, { id, record }: RequestEntry): string {
  if (record === null || record.state === "fulfilled") return "";
  const failure = record.state === "failed" ? failureOf(record) : null;
  return shared.engine.reasonOf(id) ?? failure ?? "";
}

/** The nodes of a request: those given, in its order; while it waits, those on their way. */
export function nodeEntriesOf(shared: Shared, entry: RequestEntry): readonly NodeEntry[] {
  const { environment } = shared;
  const given = entry.record?.nodes ?? [];
  if (given.length === 0) return environment.nodesOf(entry.id);
  return given.flatMap((id) => environment.context.view.node(id) ?? []);
}

/** The same as the API shows them. */
export function nodesOf(shared: Shared, entry: RequestEntry): Node[] {
  return nodeEntriesOf(shared, entry).map(toNode);
}
