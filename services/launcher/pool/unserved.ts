// Pools of the configuration whose provider cannot be used here: they are not registered. Pure.
import type { Config } from "../../../lib/config/types.ts";
import type { UnservedProvider } from "../../../lib/daemon/providers.ts";
import { isOpen, poolKey } from "./served.ts";

/** A pool that would be there if its provider could be used. */
export interface UnservedPool {
  /** provider/pool. */
  readonly pool: string;
  readonly labels: readonly string[];
  /** Why the provider cannot be used. */
  readonly problem: string;
  /** Whether it may be there later: its provider is tried again, and it is not closed. */
  readonly isExpected: boolean;
}

const NONE: readonly UnservedPool[] = [];

/** The pools of these providers. */
export function unservedPools(
  { providers }: Pick<Config, "providers">,
  unserved: readonly Pick<UnservedProvider, "name" | "problem" | "retryable">[],
): readonly UnservedPool[] {
  if (unserved.length === 0) return NONE;
  return providers.flatMap((provider) => {
    const found = unserved.find(({ name }) => name === provider.name);
    if (found === undefined) return [];
    return provider.pools.map((pool) => ({
      pool: poolKey(provider.name, pool.name),
      labels: pool.labels.map((label) => label.name),
      problem: found.problem,
      isExpected: found.retryable && isOpen({ pool }),
    }));
  });
}

/** Those of them that have all these labels, and that no other launcher serves. */
export function unservedFor(
  unserved: readonly UnservedPool[],
  isRegistered: (pool: string) => boolean,
  labels: readonly string[],
): UnservedPool[] {
  return unserved.filter(
    ({ pool, labels: own }) => !isRegistered(pool) && labels.every((label) => own.includes(label)),
  );
}

/** Why one of them does not serve. */
export function whyUnserved({ pool, problem }: UnservedPool): string {
  return `${pool}: its provider cannot be used here: ${problem}`;
}
