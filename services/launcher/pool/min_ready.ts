// Decides how many nodes to ask for so that each label keeps its min-ready. Pure.
//
// A missing node is asked for by an ephemeral request that every launcher sees and may serve. Only one launcher asks
// for a label: the one whose pool was registered first among those that say that they keep its min-ready. So several
// launchers never ask for the same node. A node counts until it is given away in the tree: what was only decided may
// be refused, as when its request is withdrawn meanwhile, and the node asked for in its place would be one too many.
import type { LabelConfig } from "../../../lib/config/types.ts";
import { sequenceOf } from "../../../lib/model/component.ts";
import { isWaiting } from "../../../lib/std/backoff.ts";
import { formatTime } from "../../../lib/std/format_time.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type World } from "../actions.ts";
import { decideOne } from "../undecided.ts";
import type { Census } from "./census.ts";
import { endOfRefusal, imageMissing, quotaObstacle, roomNow, stoppedBy } from "./fit.ts";
import { type Obstacle, waitsFirst, wishOf } from "./obstacle.ts";
import { isOpen, labelOf, nameOf, type ServedPool } from "./served.ts";

/** Adds a request for what is missing of each label, after the requests were decided. */
export function decideMinReady(world: World, census: Census, draft: Draft): void {
  const { config } = world;
  const wanted = [...config.labels.values()].filter((label) => label.minReady > 0);
  if (wanted.length === 0) return;
  const pools = stayingPools(world);
  for (const label of wanted) {
    const aside = whyAside(world, label.name);
    if (aside !== null) draft.labelReasons.set(label.name, aside);
    else {
      decideOne(draft, keys.label(label.name), () => decideLabel(world, census, draft, pools, label));
    }
  }
}

/** Why nothing is asked for, whatever a label lacks; null where there is no such reason. */
function whyAside({ index }: World, label: string): string | null {
  const own = index.undecided.get(keys.label(label));
  if (own !== undefined) return own.reason;
  // What is not counted would be asked for again and again.
  const [uncounted] = index.uncounted;
  return uncounted === undefined ? null : `${uncounted} may be one of them, and cannot be counted`;
}

function decideLabel(
  world: World,
  census: Census,
  draft: Draft,
  pools: readonly PoolEntry[],
  { name, minReady }: Pick<LabelConfig, "name" | "minReady">,
): void {
  const { hand, index } = world;
  const ready = index.nodes.readyOf(name);
  if (ready >= minReady) draft.satisfied.add(name);
  const missing = minReady - ready - index.queue.comingOf(name) - index.nodes.comingOf(name);
  const setback = hand.setbacks.get(name);
  const retry = hand.retryAt(keys.label(name));
  if (retry !== null) draft.wake(retry);
  else if (hand.isBusy(keys.label(name))) return;
  else if (missing <= 0 || !isOurs(world, keeperOf(pools, name))) return;
  else if (setback === undefined || !isWaiting(setback, world.now)) {
    askFor(world, census, draft, pools, name, missing);
  } else {
    // The time, and not how long it is until then: the sentence is told until the next decision.
    const next = formatTime(Math.ceil(setback.until));
    const reason = `the last one failed (${setback.reason}); the next is asked for at ${next}`;
    draft.labelReasons.set(name, reason);
    draft.wake(setback.until);
  }
}

function askFor(
  world: World,
  census: Census,
  draft: Draft,
  pools: readonly PoolEntry[],
  name: string,
  missing: number,
): void {
  const offering = pools.filter(({ record }) => record?.supportedLabels.includes(name));
  // Hosts are ready as it is: no request makes more of them.
  const ours = world.pools.filter((pool) => isOpen(pool) && !pool.hosts && labelOf(pool, name) !== undefined);
  const othersMayServe = offering.some(({ record }) => !world.pools.some((pool) => pool.id === record?.id));
  const { count, reason } = plan(world, census, draft, ours, name, missing);
  if (reason !== null) {
    draft.labelReasons.set(name, reason);
    for (const pool of ours) draft.wake(endOfRefusal(world, pool));
  }
  const ask = othersMayServe ? missing : count;
  if (ask > 0) draft.actions.push({ kind: "ask-min-ready", label: name, count: ask });
}

function plan(
  world: World,
  census: Census,
  draft: Draft,
  pools: readonly ServedPool[],
  label: string,
  missing: number,
): { count: number; reason: string | null } {
  let count = 0;
  while (count < missing) {
    let reason = "no pool of this launcher offers it";
    const pool = pools.find((candidate) => {
      const obstacle =
        stoppedBy(candidate) ??
        imageMissing(world, candidate, [label]) ??
        askObstacle(world, census, draft, candidate, label);
      if (obstacle !== null) reason = `${nameOf(candidate)}: ${obstacle.text}`;
      return obstacle === null;
    });
    if (pool === undefined) return { count, reason };
    census.reserve(pool, label, null);
    count += 1;
  }
  return { count, reason: null };
}

// Concurrency does not matter here: the requests wait for their turn.
function askObstacle(
  world: World,
  census: Census,
  draft: Draft,
  pool: ServedPool,
  label: string,
): Obstacle | null {
  const refused = quotaObstacle(world, pool) ?? roomNow(world, census, pool, wishOf(pool, [label]));
  const before = draft.waitsForRoom.get(pool.id);
  return refused !== null || before === undefined ? refused : waitsFirst(before);
}

/**
 * Whether it is up to us to end min-ready requests of this label that have failed or are needless: whoever asks for the
 * label, for he waits then before he asks anew; anybody where nobody keeps it any more.
 */
export function endsRequests(world: World, label: string): boolean {
  const asker = askerFor(world, label);
  return asker === undefined || asker === "us";
}

/** Who asks for nodes of a label: this launcher, that of another's pool, or nobody. */
export function askerFor(world: World, label: string): "us" | PoolEntry | undefined {
  const keeper = keeperOf(stayingPools(world), label);
  return isOurs(world, keeper) ? "us" : keeper;
}

// A pool of ours that goes would keep its labels from being asked for until it is gone: those that come with others
// in the same pool would take the room, whatever their order is.
function stayingPools(world: World): readonly PoolEntry[] {
  return [...world.tree.pools()].filter(({ record }) => !world.hand.withdrawing.has(record?.id ?? ""));
}

/** The pool whose launcher asks for a label: the one that was registered first. */
function keeperOf(pools: readonly PoolEntry[], label: string): PoolEntry | undefined {
  const keeping = pools.filter((pool) => pool.record?.supportedLabels.includes(label) && keeps(pool, label));
  return keeping.sort((a, b) => sequenceOf(a.znode) - sequenceOf(b.znode))[0];
}

function isOurs(world: World, pool: PoolEntry | undefined): boolean {
  return world.pools.some(({ id }) => id === pool?.record?.id);
}

// Python launchers do not say what they keep: they count and ask on their own.
function keeps({ record }: PoolEntry, label: string): boolean {
  const kept = record?.extra.min_ready;
  return typeof kept === "object" && kept !== null && Object.hasOwn(kept, label);
}
