// Explains a label: how many nodes of it are ready and coming, and what is in the way of more in each pool. Pure.
import { hostShortage } from "../host/fit.ts";
import { Census } from "../pool/census.ts";
import { launchObstacle, neverFits } from "../pool/fit.ts";
import { labelOf, nameOf } from "../pool/served.ts";
import type { Decided, Explanation, PoolExplanation } from "./explanation.ts";
import { remedyOf } from "./remedies.ts";

/** Null when neither the configuration nor a registered pool knows the label. */
export function explainLabel({ world, decision }: Decided, name: string): Explanation | null {
  const { index } = world;
  const wanted = world.config.labels.get(name)?.minReady ?? 0;
  const offering = [...world.tree.pools()].filter(({ record }) => record?.supportedLabels.includes(name));
  const served = world.pools.filter((pool) => labelOf(pool, name) !== undefined);
  if (!world.config.labels.has(name) && offering.length === 0) return null;
  const census = new Census(index);
  const pools = served.map((pool): PoolExplanation => {
    const obstacle =
      neverFits(world, pool, [name], null) ??
      (pool.hosts ? hostShortage(world, census, pool, name) : launchObstacle(world, census, pool, [name]));
    const place = { pool: nameOf(pool) };
    if (obstacle === null) return { ...place, verdict: "able", rule: "", reason: "", remedy: "" };
    const { rule, text } = obstacle;
    return { ...place, verdict: "waits", rule, reason: `${place.pool}: ${text}`, remedy: remedyOf(rule) };
  });
  const ready = index.nodes.readyOf(name);
  const coming = index.queue.comingOf(name) + index.nodes.comingOf(name);
  const counts = `${ready} ready, ${coming} on their way, min-ready is ${wanted}`;
  const why = decision.labelReasons.get(name);
  const nobody = offering.length === 0 ? ["no pool offers it"] : [];
  const summary = why ?? (ready + coming >= wanted ? "it has what min-ready asks for" : "more are asked for");
  return { summary, pools, before: null, facts: [counts, ...nobody] };
}
