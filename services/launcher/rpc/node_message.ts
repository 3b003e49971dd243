// A node as the API shows it.
import type { NodeState } from "../../../lib/model/node.ts";
import { meaningOf } from "../../../lib/model/paths.ts";
import { sharedOf, shareOf } from "../../../lib/model/shared_node.ts";
import { Node, Node_State } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { int32Of, int64Of, timestampOf } from "../../../lib/rpc/values.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { textOf } from "../external_ids.ts";
import { holdWishOf } from "../request/own_data.ts";

const STATES: Readonly<Record<NodeState, Node_State>> = {
  init: Node_State.STATE_INIT,
  building: Node_State.STATE_BUILDING,
  testing: Node_State.STATE_TESTING,
  ready: Node_State.STATE_READY,
  "in-use": Node_State.STATE_IN_USE,
  used: Node_State.STATE_USED,
  hold: Node_State.STATE_HOLD,
  deleting: Node_State.STATE_DELETING,
  failed: Node_State.STATE_FAILED,
  aborted: Node_State.STATE_ABORTED,
  deleted: Node_State.STATE_DELETED,
};

/** The resource name of a node. */
export const nodeName = (id: string) => formatName("nodes/{node}", { node: id });

/** The resource name of a request. */
export const requestName = (id: string) => formatName("nodeRequests/{request}", { request: id });

const text = (value: string | null) => value ?? "";

/** The node; one whose document cannot be read has only a name, and what is wrong as its comment. */
export function toNode(entry: NodeEntry): Node {
  const { id, record, lock, problem } = entry;
  const locked = lock.contenders.length > 0;
  if (record === null) return Node.fromPartial({ name: nodeName(id), locked, comment: text(problem) });
  const share = shareOf(record);
  return {
    name: nodeName(id),
    state: STATES[record.state],
    labels: [...record.type],
    provider: text(record.provider),
    pool: text(record.pool),
    externalId: record.externalId === null ? "" : textOf(record.externalId),
    hostname: text(record.hostname),
    interfaceIp: text(record.interfaceIp),
    publicIpv4: text(record.publicIpv4),
    privateIpv4: text(record.privateIpv4),
    publicIpv6: text(record.publicIpv6),
    connectionType: text(record.connectionType),
    connectionPort: typeof record.connectionPort === "number" ? int32Of(record.connectionPort) : 0,
    username: text(record.username),
    hostKeys: [...record.hostKeys],
    availabilityZone: text(record.az),
    launcher: text(record.launcher),
    allocatedTo: record.allocatedTo === null ? "" : requestName(record.allocatedTo),
    locked,
    image: imageName(record.imageId),
    createTime: timestampOf(record.createdTime),
    stateTime: timestampOf(record.stateTime),
    attributes: texts(record.attributes),
    comment: text(record.comment),
    holdJob: text(record.holdJob),
    resources: amounts(record.resources),
    pythonPath: text(record.pythonPath),
    shellType: text(record.shellType),
    holdRequested: holdWishOf(record) !== null,
    backingNode: share === null ? "" : nodeName(share.backingNode),
    slot: record.slot === null ? undefined : int32Of(record.slot),
    sharedBy: sharedOf(record)?.provider ?? "",
  };
}

/** An upload's path as its resource name; the name of a provider's own image as it is. */
function imageName(imageId: string | null): string {
  const meaning = meaningOf(imageId ?? "");
  if (meaning.kind !== "upload") return text(imageId);
  return formatName("images/{image}/builds/{build}/providers/{provider}/uploads/{upload}", meaning);
}

type Json = Readonly<Record<string, unknown>> | null;

function texts(values: Json): Record<string, string> {
  const entries = Object.entries(values ?? {});
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

function amounts(values: Json): Record<string, bigint> {
  const entries = Object.entries(values ?? {});
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (typeof value === "number" ? [[key, int64Of(value)]] : [])),
  );
}
