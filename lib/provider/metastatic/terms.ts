// On which terms each label of a metastatic provider shares nodes out.
import type { PoolConfig } from "../../config/types.ts";

/** What is read of a provider's configuration. */
export interface MetastaticConfig {
  readonly name: string;
  readonly pools: readonly Pick<PoolConfig, "labels">[];
}

/** How a label's backing nodes are shared and kept. Times in seconds. */
export interface LabelTerms {
  readonly backingLabel: string;
  /** Slots of the backing nodes that are asked for from now on. */
  readonly slots: number;
  /** How long a backing node is kept when nothing is on it. */
  readonly graceTime: number;
  /** How long it is kept at least, from its launch. */
  readonly minRetentionTime: number;
  /** From which age on it takes no further nodes; Infinity without a limit. */
  readonly maxAge: number;
}

/** The terms of each label; those of the first pool where several have the label. */
export function termsOf({ pools }: Pick<MetastaticConfig, "pools">): Map<string, LabelTerms> {
  const terms = new Map<string, LabelTerms>();
  for (const { name, settings } of pools.flatMap((pool) => pool.labels)) {
    const number = (key: string, otherwise: number) => {
      const value = settings[key];
      return typeof value === "number" ? value : otherwise;
    };
    const backingLabel = settings["backing-label"];
    if (typeof backingLabel !== "string" || terms.has(name)) continue;
    terms.set(name, {
      backingLabel,
      slots: number("max-parallel-jobs", 1),
      graceTime: number("grace-time", 60),
      minRetentionTime: number("min-retention-time", 0),
      maxAge: number("max-age", Number.POSITIVE_INFINITY),
    });
  }
  return terms;
}
