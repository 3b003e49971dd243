// What one node adds to the sums over all of them. Pure.
import type { NodeRecord } from "../../../lib/model/node.ts";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { shareOf } from "../../../lib/model/shared_node.ts";
import type { NodeEntry, Readable } from "../../../lib/zookeeper/view.ts";
import { nodeLeaseOf } from "../request/own_data.ts";
import { type Amounts, amountsOf, areSame } from "./quota.ts";
import { poolKey } from "./served.ts";

/** A node whose document can be read. */
export type ReadableNode = Readable<NodeEntry>;

/** What of a node's share depends on more than its entry. */
export interface Circumstances {
  /** What it takes, as it is recorded or as its label's is known by now. */
  readonly resources: NodeRecord["resources"];
  /** Whether the request that it is allocated to exists. */
  readonly belongs: boolean;
  /** Whether it is idle and about to be deleted or given away. */
  readonly isBusy: boolean;
  /** The provider where this process launches it, or will in a moment. */
  readonly launchingAt: string | null;
  /** Whether it goes when no other launcher's pool offers its labels either. */
  readonly isUnoffered: boolean;
}

/** What one node adds to the whole. */
export interface Share extends Circumstances {
  /** What it was made from. */
  readonly node: ReadableNode;
  readonly pool: string;
  readonly provider: string;
  readonly tenant: string | null;
  readonly amounts: Amounts;
  /** The requests that it belongs to: that which it is allocated to, and that whose lease holds it. */
  readonly requests: readonly string[];
  readonly isFree: boolean;
  readonly isLeaving: boolean;
  /** Labels of which it is a ready node that belongs to no request. */
  readonly readyFor: readonly string[];
  /** The label of which it will be one, when the min-ready request that it was made for is gone. */
  readonly comingFor: string | null;
  /** Whether it depends on which pools are registered what becomes of it. */
  readonly isUnsettled: boolean;
  /** The node that it has a share of. */
  readonly standsOn: string | null;
}

const LEAVING: ReadonlySet<string> = new Set(["used", "deleting", "deleted", "failed", "aborted"]);
const NONE: readonly never[] = [];

/** A node's share, as its entry and the circumstances have it. */
export function newShare(node: ReadableNode, circumstances: Circumstances): Share {
  const { record } = node;
  const isReady = record.state === "ready";
  const isUnused = isReady || record.state === "testing";
  const isComing = record.state === "init" || record.state === "building";
  const { belongs, isBusy, resources } = circumstances;
  return {
    ...circumstances,
    node,
    pool: poolKey(record.provider, record.pool),
    provider: record.provider ?? "",
    // A ready node that was given to nobody may still name the tenant that it was launched for.
    tenant: isReady && record.allocatedTo === null ? null : record.tenantName,
    amounts: amountsOf(resources),
    requests: requestsOf(record),
    isFree: isIdle(node, record) && !isBusy,
    isLeaving: LEAVING.has(record.state),
    readyFor: isReady && !belongs ? record.type : NONE,
    comingFor:
      isComing && record.requestor === MIN_READY_REQUESTOR && !belongs ? (record.type[0] ?? "") : null,
    isUnsettled: record.state === "init" || (isUnused && circumstances.isUnoffered),
    standsOn: shareOf(record)?.backingNode ?? null,
  };
}

/** Whether a node is ready and nobody has it or is to have it. */
export const isIdle = ({ lock }: NodeEntry, { state, allocatedTo }: NodeRecord) =>
  state === "ready" && allocatedTo === null && lock.contenders.length === 0;

/** Whether, of the same entry, the share is the same. */
export function isSame(one: Circumstances, other: Circumstances): boolean {
  return (
    one.resources === other.resources &&
    one.belongs === other.belongs &&
    one.isBusy === other.isBusy &&
    one.launchingAt === other.launchingAt &&
    one.isUnoffered === other.isUnoffered
  );
}

/** Whether two shares take the same out of the same. */
export function takesSame(one: Share, other: Share): boolean {
  return (
    one.pool === other.pool &&
    one.provider === other.provider &&
    one.tenant === other.tenant &&
    areSame(one.amounts, other.amounts)
  );
}

function requestsOf(record: NodeRecord): readonly string[] {
  const { allocatedTo } = record;
  const lease = nodeLeaseOf(record)?.request ?? null;
  const own = allocatedTo === null ? NONE : [allocatedTo];
  return lease === null || lease === allocatedTo ? own : [...own, lease];
}
