// Decides how many nodes to ask for so that each label keeps its min-ready. Pure.
//
// A missing node is asked for by an ephemeral request that every launcher sees and may serve. Only one launcher asks
// for a label: the one whose pool was registered first among those that say that they keep its min-ready. So several
// launchers never ask for the same node.
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type World } from "../actions.ts";
import type { Census } from "./census.ts";
import { imageMissing, quotaBlock, roomFor } from "./fit.ts";
import { amountsOf } from "./quota.ts";
import { isEnabled, labelOf, nameOf, type ServedPool } from "./served.ts";

/** Adds a request for what is missing of each label, after the requests were decided. */
export function decideMinReady(world: World, census: Census, draft: Draft): void {
  const wanted = [...world.config.labels.values()].filter((label) => label.minReady > 0);
  if (wanted.length === 0) return;
  const coming = countComing(world);
  for (const { name, minReady } of wanted) {
    if (world.hand.isBusy(keys.label(name))) continue;
    const offering = [...world.tree.pools()].filter(({ record }) => record?.supportedLabels.includes(name));
    const keeping = offering.filter((pool) => keeps(pool, name));
    const [first] = keeping.sort((a, b) => sequenceOf(a.znode) - sequenceOf(b.znode));
    const isOurs = world.pools.some((pool) => pool.id === first?.record?.id);
    const missing = minReady - census.freeOf(name) - (coming.get(name) ?? 0);
    if (!isOurs || missing <= 0) continue;
    const ours = world.pools.filter((pool) => isEnabled(pool) && labelOf(pool, name) !== undefined);
    const othersMayServe = offering.some(({ record }) => !world.pools.some((pool) => pool.id === record?.id));
    const { count, reason } = plan(world, census, ours, name, missing);
    if (reason !== null) {
      draft.labelReasons.set(name, reason);
      for (const pool of ours) draft.wake(world.hand.quotaBlocks.get(pool.provider.name) ?? Infinity);
    }
    const ask = othersMayServe ? missing : count;
    if (ask > 0) draft.actions.push({ kind: "ask-min-ready", label: name, count: ask });
  }
}

// Requests that were made and not failed, and launches whose min-ready request is gone: each gives one node.
function countComing(world: World): ReadonlyMap<string, number> {
  const coming = new Map<string, number>();
  const count = (label: string | undefined) => {
    if (label !== undefined) coming.set(label, (coming.get(label) ?? 0) + 1);
  };
  for (const { record } of world.tree.requests()) {
    if (record?.requestor === MIN_READY_REQUESTOR && record.state !== "failed") {
      for (const label of record.nodeTypes) count(label);
    }
  }
  for (const { record } of world.tree.nodes()) {
    const isComing = record?.state === "init" || record?.state === "building";
    if (!isComing || record.requestor !== MIN_READY_REQUESTOR) continue;
    if (world.tree.request(record.allocatedTo ?? "") === undefined) count(record.type[0]);
  }
  return coming;
}

function plan(
  world: World,
  census: Census,
  pools: readonly ServedPool[],
  label: string,
  missing: number,
): { count: number; reason: string | null } {
  let count = 0;
  while (count < missing) {
    let reason = "no pool of this launcher offers it";
    const pool = pools.find((candidate) => {
      const obstacle =
        imageMissing(world, candidate, [label]) ?? launchObstacle(world, census, candidate, label);
      if (obstacle !== null) reason = `${nameOf(candidate)}: ${obstacle}`;
      return obstacle === null;
    });
    if (pool === undefined) return { count, reason };
    census.reserve(pool, label);
    count += 1;
  }
  return { count, reason: null };
}

// Concurrency does not matter here: the requests wait for their turn.
function launchObstacle(world: World, census: Census, pool: ServedPool, label: string): string | null {
  const refused = quotaBlock(world, pool);
  if (refused !== null) return refused;
  const wish = amountsOf(pool.resourcesOf(label));
  return roomFor(world, pool, census.usedByPool(pool), census.usedByProvider(pool), wish);
}

// Python launchers do not say what they keep: they count and ask on their own.
function keeps({ record }: PoolEntry, label: string): boolean {
  const kept = record?.extra.min_ready;
  return typeof kept === "object" && kept !== null && Object.hasOwn(kept, label);
}

function sequenceOf(znode: string): number {
  return Number(znode.slice(-10));
}
