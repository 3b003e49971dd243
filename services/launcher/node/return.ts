// What becomes of a node that its user gives back. Pure.
import { type NodeRecord, withNodeState } from "../../../lib/model/node.ts";
import type { HoldWish } from "../actions.ts";
import { withHoldWish } from "../request/own_data.ts";

/** The node as it is stored when it is returned: used, or held when somebody wished so. `now` is in seconds. */
export function returned(record: NodeRecord, wish: HoldWish | null, now: number): NodeRecord {
  const plain = { ...withHoldWish(record, null), userData: null };
  return wish === null ? withNodeState(plain, "used", now) : held(plain, wish, now);
}

/** The node as it is stored when it is held. What it was held for before has no part in when that ends. */
export function held(record: NodeRecord, wish: HoldWish, now: number): NodeRecord {
  return {
    ...withNodeState(withHoldWish(record, null), "hold", now),
    comment: wish.reason === "" ? record.comment : wish.reason,
    holdExpiration: wish.expireSeconds > 0 ? wish.expireSeconds : null,
  };
}
