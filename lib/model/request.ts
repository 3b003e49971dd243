// A node request: its document in /nodepool/requests/<priority>-<sequence> and its order in the queue.
// Fields and states are those of Nodepool 2024 (its nodepool/zk).
import {
  anyField,
  blankRecord,
  booleanField,
  decodeDocument,
  encodeDocument,
  numberField,
  type RecordOf,
  requiredNumberField,
  textField,
  textListField,
  wordField,
} from "./codec.ts";

export const REQUEST_STATES = ["requested", "pending", "fulfilled", "failed"] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/** The requestor of requests that a launcher makes to keep `min-ready` nodes. */
export const MIN_READY_REQUESTOR = "NodePool:min-ready";

const REQUEST_FIELDS = {
  state: wordField("state", REQUEST_STATES),
  stateTime: requiredNumberField("state_time", 0),
  declinedBy: textListField("declined_by"),
  nodeTypes: textListField("node_types"),
  nodes: textListField("nodes"),
  reuse: booleanField("reuse", true),
  requestor: textField("requestor"),
  requestorData: anyField("requestor_data"),
  provider: textField("provider"),
  relativePriority: requiredNumberField("relative_priority", 0),
  eventId: textField("event_id"),
  createdTime: numberField("created_time"),
  tenantName: textField("tenant_name"),
} as const;

/** A request's document: `nodeTypes` are the labels wanted, `nodes` the node ids given, in the same order. */
export type RequestRecord = RecordOf<typeof REQUEST_FIELDS>;

/** Reads a request's document. @throws {DocumentError} */
export function decodeRequest(data: Uint8Array): RequestRecord {
  return decodeDocument(REQUEST_FIELDS, data);
}

/** Writes a request's document with all of Nodepool's keys. */
export function encodeRequest(record: RequestRecord): Uint8Array {
  return encodeDocument(REQUEST_FIELDS, record);
}

/** A new request in state `requested`, created at `now` (seconds). */
export function newRequest(now: number, given: Partial<RequestRecord>): RequestRecord {
  return blankRecord(REQUEST_FIELDS, { state: "requested", stateTime: now, createdTime: now, ...given });
}

/** The request in another state, entered at `now` (seconds). */
export function withRequestState(record: RequestRecord, state: RequestState, now: number): RequestRecord {
  return { ...record, state, stateTime: now };
}

/** The parts of a request id `<priority>-<sequence>`, or undefined when it has not exactly these two parts. */
export function parseRequestId(id: string): { priority: string; sequence: string } | undefined {
  const hyphen = hyphenOf(id);
  if (hyphen === id.length) return undefined;
  return { priority: id.slice(0, hyphen), sequence: id.slice(hyphen + 1) };
}

/** Where the priority of a request id ends; behind its end when it has not exactly two parts. */
function hyphenOf(id: string): number {
  const hyphen = id.indexOf("-");
  const isRequestId = hyphen > 0 && hyphen < id.length - 1 && hyphen === id.lastIndexOf("-");
  return isRequestId ? hyphen : id.length;
}

/** Sort order of the queue: priority, then relative priority, then age; lower first. */
export function compareRequests(
  a: { id: string; record: Pick<RequestRecord, "relativePriority"> },
  b: { id: string; record: Pick<RequestRecord, "relativePriority"> },
): number {
  return (
    comparePriorities(a.id, b.id) ||
    a.record.relativePriority - b.record.relativePriority ||
    compareTexts(a.id, b.id)
  );
}

/** As the texts before the hyphens would be compared. */
function comparePriorities(one: string, other: string): number {
  const [left, right] = [hyphenOf(one), hyphenOf(other)];
  for (let at = 0; at < left && at < right; at += 1) {
    const difference = one.charCodeAt(at) - other.charCodeAt(at);
    if (difference !== 0) return difference;
  }
  return left - right;
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}
