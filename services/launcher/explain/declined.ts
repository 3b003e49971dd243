// Explains a pool that has declined a request: why, and whether a new request would fare better. Pure.
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import type { World } from "../actions.ts";
import { Census } from "../pool/census.ts";
import { fitOf } from "../pool/fit.ts";
import { registeredName } from "../request/courtesy.ts";
import { failureOf } from "../request/own_data.ts";
import type { ReadableRequest } from "../request/queue.ts";
import type { PoolExplanation } from "./explanation.ts";
import { remedyOf } from "./remedies.ts";

const AGAIN = "ask again with a new request";

/** What would have to change for a request that has failed: it is not looked at any more. */
export function thenAgain(remedy: string): string {
  return `${remedy}; then ${AGAIN}`;
}

export function explainDeclined(world: World, entry: PoolEntry, request: ReadableRequest): PoolExplanation {
  const pool = registeredName(entry);
  const own = world.pools.find(({ id }) => id === entry.record?.id);
  const fit = own === undefined ? null : fitOf(world, new Census(world.index), own, request, null);
  if (fit?.kind === "never") {
    const reason = fit.reason.replace(`${pool}: `, `${pool}: has declined: `);
    return { pool, verdict: "declined", rule: fit.rule, reason, remedy: thenAgain(remedyOf(fit.rule)) };
  }
  const said = saidBy(pool, failureOf(request.record));
  const reason = `${pool}: has declined${said === null ? "" : `: ${said}`}`;
  const remedy = own === undefined ? `ask its launcher what would have to change; then ${AGAIN}` : AGAIN;
  return { pool, verdict: "declined", rule: "", reason, remedy };
}

/** What a request's failure has of this pool: it is what several pools have said, or another one alone. */
function saidBy(pool: string, failure: string | null): string | null {
  const parts = failure?.split(/; (?=[^\s/:;]+\/[^\s/:;]+: )/) ?? [];
  const own = parts.find((part) => part.startsWith(`${pool}: `));
  return own?.slice(pool.length + 2) ?? null;
}
