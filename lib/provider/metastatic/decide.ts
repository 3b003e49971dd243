// Decides how nodes are put onto backing nodes: which gets which slot, when a backing node is asked for, taken, or
// given back, and why the rest waits. Pure and deterministic.
//
// Everything is read from the records of all launchers, so that several launchers, or one before and after a restart
// or another configuration, come to the same. What they decide at the same time is told apart by the backing node's
// version: each claim of a slot raises it.
import type { RequestState } from "../../model/request.ts";
import type { Terms } from "./terms.ts";

/** A node of Nodepool's that this provider holds and shares out. */
export interface BackingNode {
  readonly id: string;
  /** The label of the nodes on it. */
  readonly label: string;
  /** The label that it was asked for by. */
  readonly backingLabel: string;
  readonly slots: number;
  readonly failed: boolean;
  /** When it was asked for, in seconds. */
  readonly launched: number;
  readonly state: string;
  /** Which node has which slot. */
  readonly taken: ReadonlyMap<number, string>;
  /** Since when (seconds) nothing has been on it; null while something is. */
  readonly idleSince: number | null;
  /** Whether all that has happened to it is seen. Else it may be emptier or fuller than it looks. */
  readonly isSettled: boolean;
}

/** A request of this provider for a backing node. */
export interface BackingRequest {
  readonly id: string;
  readonly label: string;
  readonly backingLabel: string;
  readonly state: RequestState;
  /** Why it failed. */
  readonly reason: string | null;
  /** The node that it was given: null while it has none, or when that one cannot be taken any more. */
  readonly node: string | null;
  /** Whether somebody has that node locked: then it cannot be taken yet. */
  readonly isLocked: boolean;
  /** Whether all that has happened to it is seen. Else its node may not be seen as it was given. */
  readonly isSettled: boolean;
}

/** A launch of this process that waits for a slot. */
export interface Waiting {
  readonly node: string;
  readonly label: string;
  /** That of its pool. */
  readonly backingLabel: string;
}

export interface Holdings {
  readonly terms: Pick<Terms, "of">;
  readonly backing: readonly BackingNode[];
  readonly requests: readonly BackingRequest[];
  readonly waiting: readonly Waiting[];
  /** How many nodes of a label wait for a slot, at all launchers. */
  readonly waitingEverywhere: (label: string) => number;
  /** Seconds since the epoch. */
  readonly now: number;
}

export type BackingAction =
  | { readonly kind: "claim"; readonly node: string; readonly backing: string; readonly slot: number }
  | {
      readonly kind: "ask";
      readonly label: string;
      readonly backingLabel: string;
      readonly count: number;
    }
  | {
      readonly kind: "take";
      readonly request: string;
      readonly node: string;
      readonly label: string;
      readonly slots: number;
    }
  /** End a request: one that nobody needs, or that has failed and with it the launches of these nodes. */
  | {
      readonly kind: "withdraw";
      readonly request: string;
      readonly nodes: readonly string[];
      readonly reason: string;
    }
  | { readonly kind: "retire"; readonly backing: string; readonly reason: string };

export interface BackingDecision {
  readonly actions: readonly BackingAction[];
  /** Why a node waits for its slot, and what becomes of a backing node; by the node's id. */
  readonly reasons: ReadonlyMap<string, string>;
  /** When (seconds) time alone may change the decision. */
  readonly wakeAt: number;
}

interface Draft {
  readonly actions: BackingAction[];
  readonly reasons: Map<string, string>;
  wakeAt: number;
}

/** At most one slot of each backing node is given away: the next decision sees what became of it. */
export function decideBacking(holdings: Holdings): BackingDecision {
  const draft: Draft = { actions: [], reasons: new Map(), wakeAt: Number.POSITIVE_INFINITY };
  for (const request of holdings.requests) settleRequest(holdings, draft, request);
  const left = claimSlots(holdings, draft);
  for (const [label, waiting] of left) askFor(holdings, draft, label, waiting);
  for (const backing of holdings.backing) retire(holdings, draft, backing);
  return draft;
}

function settleRequest(
  { terms, waiting, waitingEverywhere }: Holdings,
  draft: Draft,
  request: BackingRequest,
) {
  const { id, label, backingLabel, state, node, isLocked, isSettled } = request;
  if (!isSettled || isLocked) return;
  const nobodyWaits = waitingEverywhere(label) === 0;
  const end = (reason: string, nodes: readonly string[] = []) =>
    draft.actions.push({ kind: "withdraw", request: id, nodes, reason });
  if (state === "fulfilled" && node !== null) {
    // Also when nobody waits any more: a node that is taken is given back in time, one that is left stays.
    const slots = terms.of(label, backingLabel)?.slots ?? 1;
    draft.actions.push({ kind: "take", request: id, node, label, slots });
  } else if (state === "fulfilled") end("its node is gone");
  else if (state === "failed") {
    const slots = terms.of(label, backingLabel)?.slots ?? 1;
    const mine = waiting.filter((one) => isFor(request, one)).slice(0, slots);
    const reason = `request ${id} for a backing node failed: ${request.reason ?? "every pool has declined it"}`;
    if (mine.length > 0 || nobodyWaits) {
      const nodes = mine.map((one) => one.node);
      end(reason, nodes);
    }
  } else if (state === "requested" && nobodyWaits) end("no node waits for it any more");
}

/** Whether a request is what a launch has asked for, or would. */
function isFor({ label, backingLabel }: BackingRequest, waiting: Waiting): boolean {
  return waiting.label === label && waiting.backingLabel === backingLabel;
}

/** Whether a backing node may take a further node, apart from its slots. */
function isUsable({ terms, now }: Holdings, backing: BackingNode): boolean {
  const { label, backingLabel, failed, state, launched } = backing;
  const own = terms.of(label, backingLabel);
  return own !== undefined && !failed && state === "in-use" && now - launched < own.maxAge;
}

function freeSlot({ slots, taken }: BackingNode): number | null {
  for (let slot = 0; slot < slots; slot += 1) if (!taken.has(slot)) return slot;
  return null;
}

/** Gives slots of the fullest nodes first, so that the emptiest can go. Returns who gets none now, by label. */
function claimSlots(holdings: Holdings, draft: Draft): Map<string, Waiting[]> {
  const failing = new Set(
    draft.actions.flatMap((action) => (action.kind === "withdraw" ? action.nodes : [])),
  );
  const usable = holdings.backing.filter(
    (node) => node.isSettled && isUsable(holdings, node) && freeSlot(node) !== null,
  );
  usable.sort((a, b) => b.taken.size - a.taken.size || (a.id < b.id ? -1 : 1));
  const left = new Map<string, Waiting[]>();
  for (const one of [...holdings.waiting].sort((a, b) => (a.node < b.node ? -1 : 1))) {
    if (failing.has(one.node)) continue;
    const at = usable.findIndex(({ label }) => label === one.label);
    const [backing] = at < 0 ? [] : usable.splice(at, 1);
    const slot = backing === undefined ? null : freeSlot(backing);
    if (backing !== undefined && slot !== null) {
      draft.actions.push({ kind: "claim", node: one.node, backing: backing.id, slot });
    } else left.set(one.label, [...(left.get(one.label) ?? []), one]);
  }
  return left;
}

/** How many slots the label's backing nodes still have for nodes that get none in this decision. */
function slotsToCome(holdings: Holdings, draft: Draft, label: string): number {
  const claimed = new Set(
    draft.actions.flatMap((action) => (action.kind === "claim" ? [action.backing] : [])),
  );
  const usable = holdings.backing.filter((node) => node.label === label && isUsable(holdings, node));
  return usable.reduce(
    (sum, { id, slots, taken }) => sum + slots - taken.size - (claimed.has(id) ? 1 : 0),
    0,
  );
}

/** Asks for what a label lacks, by the backing labels of those that wait: first what is asked for least. */
function askFor(holdings: Holdings, draft: Draft, label: string, waiting: readonly Waiting[]): void {
  const mine = holdings.waiting.filter((one) => one.label === label).length;
  const open = holdings.requests.filter((request) => request.label === label && request.state !== "failed");
  const openFor = (backingLabel: string) => open.filter((request) => request.backingLabel === backingLabel);
  const slotsOf = (backingLabel: string) => holdings.terms.of(label, backingLabel)?.slots ?? 1;
  const coming = slotsToCome(holdings, draft, label);
  const everywhere = Math.max(waiting.length, holdings.waitingEverywhere(label) - mine + waiting.length);
  let missing = everywhere - coming - open.reduce((sum, one) => sum + slotsOf(one.backingLabel), 0);
  let missingHere = waiting.length - coming;
  const groups = [...Map.groupBy(waiting, ({ backingLabel }) => backingLabel)].sort(
    ([one], [other]) => openFor(one).length - openFor(other).length,
  );
  for (const [backingLabel, nodes] of groups) {
    const slots = slotsOf(backingLabel);
    const count = Math.ceil(Math.min(missing, missingHere, nodes.length) / slots);
    if (count > 0) {
      draft.actions.push({ kind: "ask", label, backingLabel, count });
      missing -= count * slots;
      missingHere -= count * slots;
    }
    const first = openFor(backingLabel)[0] ?? (count > 0 ? undefined : open[0]);
    const text =
      coming >= waiting.length
        ? "waits for its turn to get a slot"
        : first === undefined
          ? `waits for a backing node: one with label ${backingLabel} is asked for`
          : `waits for a backing node with label ${first.backingLabel}: request ${first.id} is ${first.state}`;
    for (const { node } of nodes) draft.reasons.set(node, text);
  }
}

/** Gives a backing node back when nothing is on it and nothing will be. */
function retire(holdings: Holdings, draft: Draft, backing: BackingNode): void {
  const { terms, now } = holdings;
  const { id, label, backingLabel, state, taken, launched } = backing;
  const claimed = draft.actions.some((action) => action.kind === "claim" && action.backing === id);
  const go = (reason: string) => draft.actions.push({ kind: "retire", backing: id, reason });
  if (state === "deleting" || state === "deleted") return void go(`it is ${state}`);
  const own = terms.of(label, backingLabel);
  const over = whyOver(holdings, backing);
  const counts = `${taken.size} of ${backing.slots} slots of label ${label} in use`;
  if (own !== undefined) remind(draft, now, launched + own.maxAge);
  if (taken.size > 0 || claimed || !backing.isSettled) {
    draft.reasons.set(id, over === null ? counts : `${counts}; goes when it is empty: ${over}`);
    return;
  }
  if (over !== null || own === undefined) return void go(over ?? "");
  const idleSince = backing.idleSince ?? now;
  const end = Math.max(idleSince + own.graceTime, launched + own.minRetentionTime);
  if (now >= end) {
    const idle = Math.round(now - idleSince);
    return void go(`nothing was on it for ${idle} s (grace-time ${own.graceTime} s)`);
  }
  remind(draft, now, end);
  draft.reasons.set(id, `${counts}; goes in ${Math.ceil(end - now)} s unless a node comes`);
}

/** Why nothing comes onto a backing node any more, or null. */
function whyOver({ terms, now }: Holdings, backing: BackingNode): string | null {
  const { label, backingLabel, failed, state, launched } = backing;
  const own = terms.of(label, backingLabel);
  if (own === undefined) return `label ${label} is not in the provider's configuration`;
  if (failed) return "it failed";
  if (state !== "in-use") return `it is ${state}`;
  return now - launched >= own.maxAge ? `it is older than max-age (${own.maxAge} s)` : null;
}

function remind(draft: Draft, now: number, at: number): void {
  if (at > now) draft.wakeAt = Math.min(draft.wakeAt, at);
}
