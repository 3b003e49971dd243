// Explains a request from the last decision about it. Pure.
import type { RequestRecord } from "../../../lib/model/request.ts";
import { isReadable, type PoolEntry, type RequestEntry } from "../../../lib/zookeeper/view.ts";
import { keys, type Outcome, type World } from "../actions.ts";
import { reasonOf } from "../decide.ts";
import { DISABLED } from "../pool/fit.ts";
import type { Fit } from "../pool/obstacle.ts";
import { isOpen, labelOf, nameOf } from "../pool/served.ts";
import { offersAll, registeredName } from "../request/courtesy.ts";
import { failureOf } from "../request/own_data.ts";
import type { ReadableRequest } from "../request/queue.ts";
import { explainDeclined, thenAgain } from "./declined.ts";
import { type Decided, type Explanation, elsewhere, type PoolExplanation, secondsTo } from "./explanation.ts";
import { placeOf } from "./place.ts";
import { remedyOf } from "./remedies.ts";
import { explainUnserved } from "./unserved.ts";

export function explainRequest(decided: Decided, entry: RequestEntry): Explanation {
  const { world, decision } = decided;
  if (!isReadable(entry)) {
    return { summary: entry.problem ?? "its document cannot be read", pools: [], before: null, facts: [] };
  }
  const { id, record } = entry;
  const kind = world.index.kindOf(id);
  const outcome = kind === null ? undefined : decision.outcomes.get(kind.key);
  const isAsked = record.state === "requested" || record.state === "failed";
  const registered = [...world.tree.pools()].flatMap((pool) => poolOf(world, pool, entry, outcome));
  const unserved = explainUnserved(decided, record.nodeTypes).map((one) => {
    return record.state === "failed" ? { ...one, remedy: thenAgain(one.remedy) } : one;
  });
  const lacking = record.state === "pending" ? world.index.hungry.get(id) : undefined;
  const pools = isAsked ? [...registered, ...unserved] : lacking ? [waitsFor(lacking)] : [];
  return {
    summary: summaryOf(decided, entry),
    pools: pools.sort((a, b) => rank(a) - rank(b) || (a.pool < b.pool ? -1 : 1)),
    before: placeOf(world, entry),
    facts: factsOf(entry, world.now),
  };
}

function summaryOf({ world, decision }: Decided, { id, record, lock }: ReadableRequest): string {
  switch (record.state) {
    case "fulfilled":
      return `it has its nodes: ${record.nodes.join(", ")}`;
    case "failed":
      return failureOf(record) ?? "every pool that offers its labels has declined";
    default: {
      const reason = reasonOf(world, decision, id);
      if (reason !== undefined) return reason;
      const retry = world.hand.retryAt(keys.request(id));
      if (retry !== null) return `something about it failed; next try in ${secondsTo(retry, world.now)} s`;
      if (world.hand.isBusy(keys.request(id))) return "it is being worked on";
      if (lock.contenders.length > 0) {
        const isTaken = record.state === "pending";
        return isTaken
          ? "another launcher works on it"
          : "another launcher, or who revises it, has it locked";
      }
      return "nothing has been decided about it yet";
    }
  }
}

function poolOf(
  world: Decided["world"],
  entry: PoolEntry,
  request: ReadableRequest,
  outcome: Outcome | undefined,
): PoolExplanation[] {
  if (entry.record === null) return [];
  const { record } = request;
  const pool = registeredName(entry);
  const plain = { pool, rule: "", reason: "", remedy: "" };
  if (!offersAll(entry, record.nodeTypes)) return [explainLacking(world, entry, record)];
  if (record.declinedBy.includes(entry.record.id ?? "")) return [explainDeclined(world, entry, request)];
  if (record.state === "failed") return [];
  if (!world.pools.some((own) => own.id === entry.record?.id)) return [elsewhere(entry)];
  // It does not wait in the queue, or has just been served.
  if (outcome === undefined) return [];
  const first = outcome.yields.get(entry.record.id ?? "");
  if (first !== undefined) {
    const remedy = "the pool that goes first has to serve or decline it";
    return [{ ...plain, verdict: "yields", reason: `${pool}: ${first}`, remedy }];
  }
  const fit = outcome.fits.find((candidate) => candidate.pool.id === entry.record?.id);
  if (fit === undefined) return [];
  if (fit.kind === "now") return [{ ...plain, verdict: "able" }];
  return [waitsFor(fit)];
}

function waitsFor({ pool, kind, rule, reason }: Exclude<Fit, { readonly kind: "now" }>): PoolExplanation {
  const verdict = kind === "never" ? "never" : "waits";
  return { pool: nameOf(pool), verdict, rule, reason, remedy: remedyOf(rule) };
}

/** A pool that does not offer all labels: it lacks them, or it is closed and offers nothing. */
function explainLacking({ pools }: World, entry: PoolEntry, request: RequestRecord): PoolExplanation {
  const { record } = entry;
  const pool = registeredName(entry);
  const own = pools.find(({ id }) => id === record?.id);
  const off = own !== undefined && !isOpen(own) ? own : null;
  const missing = request.nodeTypes.filter((label) =>
    off === null ? !record?.supportedLabels.includes(label) : labelOf(off, label) === undefined,
  );
  const say = (remedy: string) => (request.state === "failed" ? thenAgain(remedy) : remedy);
  const { rule, text } = DISABLED;
  if (missing.length === 0) {
    return { pool, verdict: "never", rule, reason: `${pool}: ${text}`, remedy: say(remedyOf(rule)) };
  }
  const names = [...new Set(missing)].map((label) => `'${label}'`);
  const reason = `${pool}: does not offer ${names.join(", ")}${off === null ? "" : `, and the ${text}`}`;
  const add = `add the ${names.length === 1 ? "label" : "labels"} to the pool`;
  const remedy = say(off === null ? add : `${add}, and ${remedyOf(rule)}`);
  return { pool, verdict: "not-offered", rule: "", reason, remedy };
}

const ORDER = ["able", "waits", "yields", "elsewhere", "declined", "never", "not-offered"];
const rank = ({ verdict }: PoolExplanation) => ORDER.indexOf(verdict);

function factsOf({ record, createdAt }: ReadableRequest, now: number): string[] {
  const since = Math.max(0, Math.round(now - (record.createdTime ?? createdAt)));
  const facts = [`it was made ${since} s ago by ${record.requestor ?? "nobody named"}`];
  if (record.provider !== null) facts.push(`it prefers provider '${record.provider}'`);
  if (!record.reuse) facts.push("it takes no node that was ready before");
  if (record.tenantName !== null) facts.push(`it counts for tenant '${record.tenantName}'`);
  return facts;
}
