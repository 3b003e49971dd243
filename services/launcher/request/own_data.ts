// What our own requests and leased nodes carry beside Nodepool's fields. Pure.
//
// A request made through gRPC has requestor_data {"nodepool": {"traceparent", "request_id", "lease": {"duration",
// "expires"}}}; a min-ready request of ours {"nodepool": {"min_ready": true}}. A leased node has user_data
// {"nodepool": {"lease": request, "contender": uuid}}: Python Nodepool keeps user_data on rewrite, unlike unknown
// keys. A wish to hold is the node's key hold_requested {"reason", "expire_seconds"}.
import type { NodeRecord } from "../../../lib/model/node.ts";
import type { RequestRecord } from "../../../lib/model/request.ts";
import type { Hand, HoldWish } from "../actions.ts";

/** A lease: how long each renewal lasts, and when it runs out; in seconds. */
export interface Lease {
  readonly duration: number;
  readonly expires: number;
}

/**
 * When a request's lease has run out (seconds): not before it was seen for its whole duration without being renewed,
 * for the clock of whoever has renewed it may be behind ours. After an outage of ours or of ZooKeeper's, until
 * `currentSince`, its holder first gets time to renew; what that clock says is trusted for the whole duration at most, for
 * it may have been far ahead.
 */
export function leaseEnd(
  request: string,
  { duration, expires }: Lease,
  { leasesSeen, currentSince }: Pick<Hand, "leasesSeen" | "currentSince">,
): number {
  const seenAt = leasesSeen.get(request)?.at ?? -Infinity;
  const told = Math.min(expires, currentSince + duration);
  return Math.max(told, seenAt + duration, currentSince + duration / 2);
}

/** What we keep in a request's `requestor_data`. */
export interface OwnRequestData {
  readonly traceparent: string | null;
  /** The caller's own id of the call that made it. */
  readonly requestId: string | null;
  readonly lease: Lease | null;
  readonly minReady: boolean;
}

type Json = Readonly<Record<string, unknown>>;

function objectIn(value: unknown, key: string): Json | null {
  if (typeof value !== "object" || value === null || !(key in value)) return null;
  const inner: unknown = (value as Json)[key];
  return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? (inner as Json) : null;
}

const textOrNull = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);

/** Reads what we keep in a request; requests of others have nothing of it. */
export function ownDataOf(record: Pick<RequestRecord, "requestorData">): OwnRequestData {
  const own = objectIn(record.requestorData, "nodepool");
  const lease = objectIn(own, "lease");
  const [duration, expires] = [lease?.duration, lease?.expires];
  return {
    traceparent: textOrNull(own?.traceparent),
    requestId: textOrNull(own?.request_id),
    lease: typeof duration === "number" && typeof expires === "number" ? { duration, expires } : null,
    minReady: own?.min_ready === true,
  };
}

/** Writes what we keep in a request. */
export function encodeOwnData(data: Partial<OwnRequestData>): Json {
  return {
    nodepool: {
      ...(data.traceparent ? { traceparent: data.traceparent } : {}),
      ...(data.requestId ? { request_id: data.requestId } : {}),
      ...(data.lease ? { lease: data.lease } : {}),
      ...(data.minReady ? { min_ready: true } : {}),
    },
  };
}

/** The request with another lease. */
export function withLease(record: RequestRecord, lease: Lease): RequestRecord {
  return { ...record, requestorData: encodeOwnData({ ...ownDataOf(record), lease }) };
}

/** Who holds a leased node: the request, and the first part of the lock contender's name. */
export interface NodeLease {
  readonly request: string;
  readonly contender: string;
}

/** The lease of a node; null for a node that is not leased. */
export function nodeLeaseOf(record: Pick<NodeRecord, "userData">): NodeLease | null {
  const own = objectIn(record.userData, "nodepool");
  const [request, contender] = [textOrNull(own?.lease), textOrNull(own?.contender)];
  return request === null || contender === null ? null : { request, contender };
}

/** A leased node's `user_data`. */
export function encodeNodeLease(lease: NodeLease): Json {
  return { nodepool: { lease: lease.request, contender: lease.contender } };
}

const HOLD_KEY = "hold_requested";

/** The wish to hold that a node carries. */
export function holdWishOf(record: Pick<NodeRecord, "extra">): HoldWish | null {
  const wish = objectIn(record.extra, HOLD_KEY);
  if (wish === null) return null;
  const expire = wish.expire_seconds;
  return {
    reason: typeof wish.reason === "string" ? wish.reason : "",
    expireSeconds: typeof expire === "number" ? expire : 0,
  };
}

/** The node with a wish to be held, or without one. */
export function withHoldWish(record: NodeRecord, wish: HoldWish | null): NodeRecord {
  const { [HOLD_KEY]: _old, ...extra } = record.extra;
  if (wish === null) return { ...record, extra };
  return {
    ...record,
    extra: { ...extra, [HOLD_KEY]: { reason: wish.reason, expire_seconds: wish.expireSeconds } },
  };
}

/** The node with its wish taken back: unlike a key that is missing, this is no accident of whoever wrote last. */
export function withoutHold(record: NodeRecord): NodeRecord {
  return { ...record, extra: { ...record.extra, [HOLD_KEY]: null } };
}

/** Whether somebody has taken the wish to hold back. */
export function isHoldTakenBack(record: Pick<NodeRecord, "extra">): boolean {
  return record.extra[HOLD_KEY] === null;
}

const SUSPICION_KEY = "suspicion";

/** Why the user of a node holds its host to be at fault; null when it does not. */
export function suspicionOf(record: Pick<NodeRecord, "extra">): string | null {
  return textOrNull(record.extra[SUSPICION_KEY]);
}

/** The node with what its user holds against its host. */
export function withSuspicionOf(record: NodeRecord, reason: string): NodeRecord {
  return { ...record, extra: { ...record.extra, [SUSPICION_KEY]: reason } };
}

const USED_KEY = "was_used";

/** Whether a node is or was used: one that is being deleted may say so. */
export function wasUsed({ state, extra }: Pick<NodeRecord, "state" | "extra">): boolean {
  return state === "used" || state === "in-use" || extra[USED_KEY] === true;
}

/** The node with the mark that it was used. */
export function markedUsed(record: NodeRecord): NodeRecord {
  return { ...record, extra: { ...record.extra, [USED_KEY]: true } };
}

const REASON_KEY = "reason";

/** Why a request failed, where a launcher of ours wrote it down. */
export function failureOf(record: Pick<RequestRecord, "extra">): string | null {
  return textOrNull(record.extra[REASON_KEY]);
}

/** The request with the reason why a pool declined it. */
export function withFailure(record: RequestRecord, reason: string): RequestRecord {
  return { ...record, extra: { ...record.extra, [REASON_KEY]: reason } };
}
