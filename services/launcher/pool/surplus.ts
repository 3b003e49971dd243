// Decides which requests for min-ready are needless by now: the configuration wants fewer nodes, or others have become
// ready meanwhile. Pure.
import { compareRequests } from "../../../lib/model/request.ts";
import { isReadable } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type World } from "../actions.ts";
import { ownDataOf } from "../request/own_data.ts";
import type { ReadableRequest } from "../request/queue.ts";
import { endsRequests } from "./min_ready.ts";

/** Withdraws what waits beyond what is wanted of each label, the last in the queue first. */
export function withdrawSurplus(world: World, draft: Draft): void {
  const { config, index } = world;
  for (const label of index.queue.comingLabels()) {
    const wanted = config.labels.get(label)?.minReady ?? 0;
    const there = index.nodes.readyOf(label) + index.nodes.comingOf(label);
    if (there + index.queue.comingOf(label) <= wanted || !endsRequests(world, label)) continue;
    const requests = requestsFor(world, label);
    const surplus = there + requests.filter((request) => bringsNode(world, request)).length - wanted;
    const decided = new Set(draft.actions.map((action) => ("request" in action ? action.request : null)));
    const free = requests.filter((request) => !decided.has(request.id) && mayGo(world, request));
    const last = free.sort(compareRequests).reverse();
    for (const { id } of last.slice(0, Math.max(0, surplus))) {
      draft.actions.push({ kind: "settle-min-ready", request: id, label });
    }
  }
}

function requestsFor({ tree, index }: World, label: string): ReadableRequest[] {
  return [...index.queue.comingFor(label)].flatMap((id) => {
    const entry = tree.request(id);
    return isReadable(entry) ? [entry] : [];
  });
}

// The node of a pending request may be shown as ready, and counted, before the request is shown as gone.
function bringsNode({ index }: World, { id, record }: ReadableRequest): boolean {
  return record.state === "requested" || index.nodes.nodesOf(id).length > 0;
}

function mayGo({ hand }: World, { id, record, lock }: ReadableRequest): boolean {
  const isOpen = record.state === "requested" && lock.contenders.length === 0;
  return isOpen && ownDataOf(record).minReady && !hand.isBusy(keys.request(id)) && !hand.requests.has(id);
}
