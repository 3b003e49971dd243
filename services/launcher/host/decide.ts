// Decides about hosts: which are checked, whose slots are recorded, changed, taken out of service or given up. Pure.
//
// One launcher keeps a provider's hosts: it checks the idle ones from time to time, records slots that have no record
// and removes records that have no slot. Any launcher checks a host before it hands a node of it over, and takes it out
// of service when it fails.
import type { Draft, HostStatus, World } from "../actions.ts";
import { keys } from "../actions.ts";
import { isEnabled } from "../pool/served.ts";
import { decideOne } from "../undecided.ts";
import { SLOW_SECONDS } from "./free_slots.ts";
import { type Judgement, judge, knownKeys } from "./judge.ts";
import { CLOCK_SKEW, memoryOf, merged } from "./memory.ts";
import { newSlotRecord, wantedRecord } from "./record.ts";
import { hostKey, isNobodys, type PlacedHost, type Slot } from "./slots.ts";

/** An idle host is checked every so many seconds, a quarter more or less, so that not all are at once. */
export const CHECK_INTERVAL = 60;

/** New slots are recorded on the word of a check that has ended at most so many seconds ago. */
const RECORD_SECONDS = 10;

/** A host that failed is checked again after so many seconds, then twice as many, and so on up to the interval. */
const RETRY_SECONDS = 5;

/** Clocks of several launchers may differ: a check that was too early is repeated after so many seconds. */
const AGAIN_SECONDS = 1;

/** Decides about the machines of which something has changed, and about hosts that a request waits for. */
export function decideHosts(world: World, draft: Draft, machines: ReadonlySet<string>): void {
  const { hosts } = world.index;
  const asked = [...draft.checks]
    .flatMap((key) => hosts.machineOf(key) ?? [])
    .filter((machine) => !world.index.undecided.has(keys.machine(machine)));
  const planned = new Set(
    draft.actions.flatMap((action) =>
      action.kind === "serve" ? action.nodes : "node" in action ? [action.node] : [],
    ),
  );
  for (const machine of new Set([...machines, ...asked])) {
    decideOne(draft, keys.machine(machine), () => decideMachine(world, draft, machine, planned));
  }
}

function decideMachine(
  world: World,
  draft: Draft,
  machine: string,
  planned: ReadonlySet<string | null>,
): void {
  const { slots, surplus } = world.index.hosts.assignment(machine);
  for (const { node, reason } of surplus) {
    const isKept = world.hand.keeping.has(node.record.provider ?? "");
    if (!isKept || !isNobodys(node) || planned.has(node.id) || world.hand.isBusy(keys.node(node.id)))
      continue;
    if (world.hand.deletions.has(node.id)) continue;
    draft.actions.push({ kind: "delete", node: node.id, reason });
  }
  const byHost = new Map<string, Slot[]>();
  for (const slot of slots) byHost.set(hostKey(slot), [...(byHost.get(hostKey(slot)) ?? []), slot]);
  for (const own of byHost.values()) decideHost(world, draft, own, planned);
}

function decideHost(
  world: World,
  draft: Draft,
  slots: readonly Slot[],
  planned: ReadonlySet<string | null>,
): void {
  const [placed] = slots;
  if (placed === undefined || !isEnabled(placed.pool)) return;
  const { hand, now } = world;
  const { host } = placed;
  const key = hostKey(placed);
  const nodes = slots.flatMap(({ node }) => node ?? []);
  const status = hand.hosts.get(key);
  // Asked before anything is left out for it: its pause may end meanwhile.
  const retry = hand.retryAt(keys.host(key));
  const judgement = judge(host, nodes, status, now);
  const keeps = hand.keeping.has(placed.pool.provider.name);
  const idle = slots.filter(
    ({ node }) =>
      node !== null && isNobodys(node) && !planned.has(node.id) && !hand.isBusy(keys.node(node.id)),
  );
  let due = draft.checks.has(key) ? now : Infinity;
  for (const slot of idle) due = Math.min(due, updateSlot(world, draft, slot, judgement, keeps));
  const missing = keeps ? slots.filter(({ node }) => node === null) : [];
  if (missing.length > 0 && judgement.kind !== "unknown") {
    const isFresh = judgement.kind === "bad" || now - judgement.at <= RECORD_SECONDS;
    if (!isFresh) due = now;
    else if (!hand.isBusy(keys.host(key))) {
      const memory = merged(
        nodes.map(({ record }) => memoryOf(record)),
        now,
      );
      const given = { memory, hostKeys: knownKeys(host, nodes), now };
      const records = missing.map((slot) => newSlotRecord(slot, judgement, given));
      draft.actions.push({ kind: "register-slots", placed, records });
    }
  }
  const isWatched = keeps && (idle.length > 0 || missing.length > 0);
  if (isWatched) due = Math.min(due, nextCheck(placed, status, judgement));
  if (host.problem === null) checkWhenDue(world, draft, placed, due, retry);
}

/** Brings an idle slot's record to what it should be; gives the time (seconds) of the check that it takes first. */
function updateSlot({ now }: World, draft: Draft, slot: Slot, judgement: Judgement, keeps: boolean): number {
  const { node } = slot;
  if (node === null || judgement.kind === "unknown") return Infinity;
  const { record } = node;
  const wasOut = record.state === "testing";
  // Whoever took it out knew something that an older check of ours did not.
  const isTime = record.stateTime <= now + CLOCK_SKEW;
  if (judgement.kind === "good" && wasOut && keeps && isTime && judgement.from <= record.stateTime) {
    return judgement.at + AGAIN_SECONDS;
  }
  const mayWrite = keeps || (judgement.kind === "bad" && !wasOut);
  const wanted = wantedRecord(slot, record, judgement, now);
  if (mayWrite && wanted !== record)
    draft.actions.push({ kind: "update-slot", node: node.id, record: wanted });
  return Infinity;
}

/** When (seconds) the keeper looks at a host again. */
function nextCheck(placed: PlacedHost, status: HostStatus | undefined, judgement: Judgement): number {
  if (status === undefined || status.last === null || judgement.kind === "unknown") return 0;
  const { at } = status.last;
  const share = [...placed.host.identity].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7);
  const regular = CHECK_INTERVAL * (0.75 + share / 1994);
  if (judgement.kind === "good" || status.last.found !== null) return at + regular;
  const failures = Math.max(1, status.failures);
  return at + Math.min(regular, RETRY_SECONDS * 2 ** Math.min(failures - 1, 10));
}

function checkWhenDue(
  world: World,
  draft: Draft,
  placed: PlacedHost,
  due: number,
  retry: number | null,
): void {
  const { hand, now } = world;
  const key = hostKey(placed);
  const since = hand.hosts.get(key)?.checkingSince ?? null;
  if (since !== null) {
    // A request that waits for it looks for another host then.
    if (draft.checks.has(key) && now - since < SLOW_SECONDS) draft.wake(since + SLOW_SECONDS);
    draft.hostReminders.set(key, Infinity);
  } else if (retry !== null) draft.hostReminders.set(key, retry);
  // The end of what is being done about it is another reason to decide.
  else if (hand.isBusy(keys.host(key))) draft.hostReminders.set(key, Infinity);
  else if (due <= now) draft.actions.push({ kind: "check-host", placed });
  else draft.hostReminders.set(key, due);
}
