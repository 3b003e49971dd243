// Explains pools of the configuration whose provider cannot be used here: they are not registered. Pure.
import type { Config } from "../../../lib/config/types.ts";
import { poolKey } from "../pool/served.ts";
import { registeredName } from "../request/courtesy.ts";
import type { Decided, PoolExplanation } from "./explanation.ts";

/** A provider that cannot be used, and why. */
interface Unserved {
  readonly name: string;
  readonly problem: string;
}

/** A pool that would be there if its provider could be used. */
export interface UnservedPool {
  /** provider/pool. */
  readonly pool: string;
  readonly labels: readonly string[];
  readonly problem: string;
}

/** The pools of these providers. */
export function unservedPools(
  { providers }: Pick<Config, "providers">,
  unserved: readonly Unserved[],
): UnservedPool[] {
  return providers.flatMap(({ name, pools }) => {
    const problem = unserved.find((candidate) => candidate.name === name)?.problem;
    if (problem === undefined) return [];
    return pools.map((pool) => ({
      pool: poolKey(name, pool.name),
      labels: pool.labels.map((label) => label.name),
      problem,
    }));
  });
}

/** Those that have all these labels, and that no other launcher serves. */
export function explainUnserved(
  { world, unserved = [] }: Pick<Decided, "world" | "unserved">,
  labels: readonly string[],
): PoolExplanation[] {
  const registered = new Set([...world.tree.pools()].map(registeredName));
  const wanted = unserved.filter(
    (one) => !registered.has(one.pool) && labels.every((label) => one.labels.includes(label)),
  );
  return wanted.map(({ pool, problem }) => ({
    pool,
    verdict: "not-offered",
    rule: "",
    reason: `${pool}: its provider cannot be used here: ${problem}`,
    remedy: "the provider has to answer, or its settings have to be mended; see nodepool providers",
  }));
}
