// On which terms each label of a metastatic provider shares nodes out.
import { METASTATIC_TERMS } from "../../config/drivers/metastatic.ts";
import type { PoolConfig } from "../../config/types.ts";

/** What is read of a provider's configuration. */
export interface MetastaticConfig {
  readonly name: string;
  readonly pools: readonly Pick<PoolConfig, "name" | "labels">[];
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

/** The terms of all labels. Pools may have one label on different terms: each asks for its own backing label. */
export class Terms {
  readonly #byPool = new Map<string, LabelTerms>();
  readonly #byLabel = new Map<string, LabelTerms[]>();

  constructor({ pools }: Pick<MetastaticConfig, "pools">) {
    for (const pool of pools) {
      for (const { name, settings } of pool.labels) {
        const terms = readTerms(settings);
        if (terms === null) continue;
        this.#byPool.set(`${pool.name}\n${name}`, terms);
        this.#byLabel.set(name, [...(this.#byLabel.get(name) ?? []), terms]);
      }
    }
  }

  /** Those of a label in a pool. */
  in(pool: string, label: string): LabelTerms | undefined {
    return this.#byPool.get(`${pool}\n${label}`);
  }

  /** Those on which a label shares nodes of this backing label out; else those of the first pool that has the label. */
  of(label: string, backingLabel: string): LabelTerms | undefined {
    const all = this.#byLabel.get(label) ?? [];
    return all.find((terms) => terms.backingLabel === backingLabel) ?? all[0];
  }

  /** The labels of all backing nodes. */
  get backingLabels(): string[] {
    return [...new Set([...this.#byPool.values()].map(({ backingLabel }) => backingLabel))];
  }
}

function readTerms(settings: Readonly<Record<string, unknown>>): LabelTerms | null {
  const number = (key: keyof typeof METASTATIC_TERMS) => {
    const value = settings[key];
    return typeof value === "number" ? value : METASTATIC_TERMS[key];
  };
  const backingLabel = settings["backing-label"];
  if (typeof backingLabel !== "string") return null;
  return {
    backingLabel,
    slots: number("max-parallel-jobs"),
    graceTime: number("grace-time"),
    minRetentionTime: number("min-retention-time"),
    // 0 is no limit, as with Nodepool.
    maxAge: number("max-age") || Infinity,
  };
}
