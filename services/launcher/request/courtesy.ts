// Who else could serve a request, and when it is left to them: Nodepool's two rules of courtesy. Pure.
import type { PoolRecord } from "../../../lib/model/component.ts";
import type { RequestRecord } from "../../../lib/model/request.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import type { Hand, World } from "../actions.ts";
import { type AwayPool, endOfWait, whyAway } from "../pool/away.ts";
import type { Fit, LaterFit, Rule } from "../pool/obstacle.ts";
import { nameOf, poolKey, type ServedPool } from "../pool/served.ts";
import { unservedFor, whyUnserved } from "../pool/unserved.ts";

const offeredBy = new WeakMap<PoolRecord, ReadonlySet<string>>();

/** Whether a registered pool offers all these labels. */
export function offersAll({ record }: PoolEntry, labels: readonly string[]): boolean {
  if (record === null) return labels.length === 0;
  const offered = offeredBy.get(record) ?? new Set(record.supportedLabels);
  offeredBy.set(record, offered);
  return labels.every((label) => offered.has(label));
}

/** Why nobody can take a request for these labels. */
export function whyNobody(
  { hand, now }: Pick<World, "hand" | "now">,
  registered: readonly PoolEntry[],
  labels: readonly string[],
): string {
  const gone = awayFor(hand, registered, labels).map((pool) => whyAway(pool, now));
  return [whoOffers(registered, labels), ...gone].join("; ");
}

function whoOffers(registered: readonly PoolEntry[], labels: readonly string[]): string {
  const known = new Set(registered.flatMap((pool) => pool.record?.supportedLabels ?? []));
  const unknown = [...new Set(labels.filter((label) => !known.has(label)))];
  const list = [...known].sort().join(", ") || "none";
  if (unknown.length === 0) return `no single pool offers all of ${labels.join(", ")}`;
  return `no pool offers ${unknown.map((label) => `'${label}'`).join(", ")}; offered are: ${list}`;
}

/** A registered pool as provider/pool. */
export function registeredName(pool: PoolEntry): string {
  return poolKey(pool.record?.providerName ?? null, pool.record?.name ?? null);
}

/**
 * What a request waits for that nobody who is registered takes: pools of ours whose providers are tried again, and those
 * of launchers that have just gone. For each the sentence that says why it does not serve.
 */
export function expectedFor(
  { unserved, hand, now }: Pick<World, "unserved" | "hand" | "now">,
  registered: readonly PoolEntry[],
  { nodeTypes, declinedBy }: Pick<RequestRecord, "nodeTypes" | "declinedBy">,
): readonly string[] {
  const isRegistered = (name: string) => registered.some((pool) => registeredName(pool) === name);
  const ours = unservedFor(unserved, isRegistered, nodeTypes).filter(({ isExpected }) => isExpected);
  const away = awayFor(hand, registered, nodeTypes).filter(
    (pool) => now < endOfWait(pool) && !declinedBy.includes(pool.id),
  );
  return [...ours.map(whyUnserved), ...away.map((pool) => whyAway(pool, now))];
}

/** Pools of other launchers that have offered all these labels, where no launcher does any more and we never did. */
export function awayFor(
  { away, retired }: Pick<Hand, "away" | "retired">,
  registered: readonly PoolEntry[],
  labels: readonly string[],
): readonly AwayPool[] {
  return [...away].filter(({ pool, labels: offered }) => {
    const isOffered = registered.some((other) => registeredName(other) === pool && offersAll(other, labels));
    return !isOffered && !retired.has(pool) && labels.every((label) => offered.includes(label));
  });
}

/** What may keep a pool from serving for longer than a moment. */
const LASTING: ReadonlySet<Rule> = new Set([
  "disabled",
  "image",
  "hosts",
  "refused",
  "pool-limit",
  "provider-limit",
]);

/**
 * Whether a pool that cannot serve a request now has to say so: else pools of other launchers that come after it would
 * leave the request to it, and nobody serve it.
 */
export function letsOthersPass(
  { pool, rule }: LaterFit,
  candidates: readonly PoolEntry[],
  { pools }: World,
): boolean {
  if (!LASTING.has(rule)) return false;
  return candidates.some(
    ({ record }) =>
      record !== null && record.priority > pool.pool.priority && !pools.some((own) => own.id === record.id),
  );
}

/** What keeps a pool from serving until somebody mends it: whoever prefers the pool does not wait for that. */
const UNTIL_MENDED: ReadonlySet<Rule> = new Set(["disabled", "image"]);

/** Whether a pool cannot serve a request until somebody mends something. */
export function isUnable(fit: Fit): boolean {
  return fit.kind === "later" && UNTIL_MENDED.has(fit.rule);
}

/** Whether a pool of another launcher says that those who prefer it cannot have these labels there. */
export function saysUnable({ record }: PoolEntry, labels: readonly string[]): boolean {
  const unable = record?.extra.unable;
  return Array.isArray(unable) && labels.some((label) => unable.includes(label));
}

export function waitsForOthers(candidates: readonly PoolEntry[]): string {
  return `waits for ${candidates.map(registeredName).join(", ")} of another launcher`;
}

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * Those of our pools that leave a request to others, by their ids in the order of priority, and why: the preferred
 * provider goes first unless its pools are `unable`, then pools of other launchers that have a higher priority. Which of our own goes first is decided
 * by what they can do, see {@link yieldingToOwn}.
 */
export function yielding(
  candidates: readonly PoolEntry[],
  ours: readonly ServedPool[],
  { provider }: RequestRecord,
  unable: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, string> {
  const isOurs = (pool: PoolEntry) => ours.some((own) => own.id === pool.record?.id);
  const isPreferred = ({ record }: PoolEntry) =>
    record?.providerName === provider && !unable.has(record?.id ?? "");
  const preferred = provider === null ? [] : candidates.filter(isPreferred);
  // Pools of other providers leave the request to the preferred one whatever their priority is.
  const rivals = (preferred.length > 0 ? preferred : candidates).filter((pool) => !isOurs(pool));
  if (preferred.length === 0 && rivals.length === 0) return NONE;
  const elsewhere = preferred.some(isOurs) ? "" : " of another launcher";
  const yields = new Map<string, string>();
  const ordered = [...ours].sort((a, b) => a.pool.priority - b.pool.priority);
  for (const { id, pool, provider: own } of ordered) {
    const first = rivals.find(({ record }) => record?.paused === false && record.priority < pool.priority);
    if (preferred.length > 0 && own.name !== provider) {
      yields.set(id, `waits for preferred provider '${provider}'${elsewhere}`);
    } else if (first !== undefined) {
      yields.set(id, sayFirst(registeredName(first)));
    }
  }
  return yields;
}

/**
 * Those of our pools that leave a request to another one of ours, for that has a higher priority and makes it wait but
 * a moment. Launches under way may take long where a cloud is ill: a request that has waited long does not wait for them.
 */
export function yieldingToOwn(fits: readonly Fit[], hasWaitedLong: boolean): ReadonlyMap<string, string> {
  const isBrief = (fit: Fit) =>
    fit.kind === "later" &&
    (fit.rule === "host-check" || (fit.isBrief === true && !(fit.rule === "concurrency" && hasWaitedLong)));
  const brief = fits.filter(isBrief).map(({ pool }) => pool);
  const [first] = brief.sort((a, b) => a.pool.priority - b.pool.priority);
  if (first === undefined) return NONE;
  const behind = fits.filter(
    ({ kind, pool }) => kind !== "never" && pool.pool.priority > first.pool.priority,
  );
  return new Map(behind.map(({ pool }) => [pool.id, sayFirst(nameOf(first))]));
}

const sayFirst = (pool: string) => `waits for ${pool}, which has a higher priority`;
