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

/** Why a pool has declined a request, as it was written then; and what would be in the way now, where anything is. */
export function explainDeclined(world: World, entry: PoolEntry, request: ReadableRequest): PoolExplanation {
  const pool = registeredName(entry);
  const own = world.pools.find(({ id }) => id === entry.record?.id);
  const fit = own === undefined ? null : fitOf(world, new Census(world.index), own, request, null);
  const said = saidBy(pool, failureOf(request.record));
  const declined = `${pool}: has declined${said === null ? "" : `: ${said}`}`;
  if (fit?.kind === "never") {
    const present = fit.reason.replace(`${pool}: `, "");
    const more = said === null ? `: ${present}` : said === present ? "" : `; it would again, now: ${present}`;
    const remedy = thenAgain(remedyOf(fit.rule));
    return { pool, verdict: "declined", rule: fit.rule, reason: declined + more, remedy };
  }
  const remedy = own === undefined ? `ask its launcher what would have to change; then ${AGAIN}` : AGAIN;
  return { pool, verdict: "declined", rule: "", reason: declined, remedy };
}

/** What a request's failure has of this pool: it is what several pools have said, or another one alone. */
function saidBy(pool: string, failure: string | null): string | null {
  const parts = failure?.split(/; (?=[^\s/:;]+\/[^\s/:;]+: )/) ?? [];
  const own = parts.find((part) => part.startsWith(`${pool}: `));
  return own?.slice(pool.length + 2) ?? null;
}
