// The place of a request in the queue. Pure.
import { compareRequests } from "../../../lib/model/request.ts";
import type { World } from "../actions.ts";
import type { ReadableRequest } from "../request/queue.ts";
import type { Explanation } from "./explanation.ts";

/** How many of the requests before it are named. */
const NAMED = 5;

/** What goes before a request that waits in the queue, or in hand for nodes that it lacks; null for others. */
export function placeOf({ index, tree }: World, request: ReadableRequest): Explanation["before"] {
  if (index.kindOf(request.id) === null && !index.hungry.has(request.id)) return null;
  const { count, first } = index.queue.before(request, NAMED);
  const readable = (id: string) => {
    const record = tree.request(id)?.record;
    return record ? [{ id, record }] : [];
  };
  // Those in hand that lack nodes have left the queue, and still get the next room in its order.
  const inHand = [...index.hungry.keys()]
    .flatMap(readable)
    .filter((other) => compareRequests(other, request) < 0);
  const named = [...first.flatMap(readable), ...inHand].sort(compareRequests).slice(0, NAMED);
  return { count: count + inHand.length, first: named.map(({ id }) => id) };
}
