// Explains a label: how many nodes of it are ready and coming, and what is in the way of more in each pool. Pure.
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { keys, type World } from "../actions.ts";
import { hostShortage } from "../host/fit.ts";
import { Census } from "../pool/census.ts";
import { launchObstacle, neverFits, stoppedBy } from "../pool/fit.ts";
import { askerFor } from "../pool/min_ready.ts";
import { waitsFirst } from "../pool/obstacle.ts";
import { labelOf, nameOf, type ServedPool } from "../pool/served.ts";
import { registeredName } from "../request/courtesy.ts";
import { type Decided, type Explanation, elsewhere, type PoolExplanation, secondsTo } from "./explanation.ts";
import { remedyOf } from "./remedies.ts";
import { explainUnserved } from "./unserved.ts";

/** Null when neither the configuration nor a pool that is or was registered knows the label. */
export function explainLabel(decided: Decided, name: string): Explanation | null {
  const { world, decision } = decided;
  const { index } = world;
  const wanted = world.config.labels.get(name)?.minReady ?? 0;
  const offering = [...world.tree.pools()].filter(({ record }) => record?.supportedLabels.includes(name));
  const served = world.pools.filter((pool) => labelOf(pool, name) !== undefined);
  const unserved = explainUnserved(decided, [name]);
  if (!world.config.labels.has(name) && offering.length + unserved.length === 0) return null;
  const census = new Census(index);
  // Nodes for min-ready leave the room to those who wait for it.
  const firstIn = ({ id }: ServedPool) => {
    const request = wanted > 0 ? decision.waitsForRoom.get(id) : undefined;
    return request === undefined ? null : waitsFirst(request);
  };
  const pools = served.map((pool): PoolExplanation => {
    const never = neverFits(world, pool, [name], null);
    const obstacle =
      never ??
      stoppedBy(pool) ??
      (pool.hosts
        ? hostShortage(world, census, pool, name)
        : (launchObstacle(world, census, pool, [name]) ?? firstIn(pool)));
    const place = { pool: nameOf(pool) };
    if (obstacle === null) return { ...place, verdict: "able", rule: "", reason: "", remedy: "" };
    const { rule, text } = obstacle;
    return {
      ...place,
      verdict: never ? "never" : "waits",
      rule,
      reason: `${place.pool}: ${text}`,
      remedy: remedyOf(rule),
    };
  });
  // Launchers that share a pool have its limits in common: one line says what is in the way.
  const ours = new Set(pools.map(({ pool }) => pool));
  const others = offering.filter((entry) => !ours.has(registeredName(entry))).map(elsewhere);
  const ready = index.nodes.readyOf(name);
  const coming = index.queue.comingOf(name) + index.nodes.comingOf(name);
  const counts = `${ready} ready, ${coming} on their way, min-ready is ${wanted}`;
  const why = decision.labelReasons.get(name);
  const nobody =
    served.length + offering.length + unserved.length === 0
      ? ["no pool offers it: add it to the labels of a pool"]
      : [];
  const retry = world.hand.retryAt(keys.label(name));
  const failed =
    retry === null ? [] : [`asking for more failed; next try in ${secondsTo(retry, world.now)} s`];
  const hasAll = ready + coming >= wanted;
  const summary = why ?? (hasAll ? "it has what min-ready asks for" : whoAsks(world, name, offering));
  return {
    summary,
    pools: [...pools, ...others, ...unserved],
    before: null,
    facts: [counts, ...failed, ...nobody],
  };
}

/** Who asks for the nodes that a label lacks, or why nobody does. */
function whoAsks(world: World, name: string, offering: readonly PoolEntry[]): string {
  const asker = askerFor(world, name);
  if (asker === "us") return "more are asked for";
  if (asker !== undefined) return `more are asked for by the launcher of ${registeredName(asker)}`;
  if (offering.length === 0) return "none is asked for: no open pool offers it";
  const others = offering.filter(({ record }) => !world.pools.some(({ id }) => id === record?.id));
  if (others.length === 0) return "none is asked for: its nodes are hosts, and none is launched";
  return `none is asked for here: of other launchers, ${others.map(registeredName).join(", ")} may keep it ready`;
}
