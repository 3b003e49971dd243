// Counting against limits. Pure.
import type { PoolConfig } from "../../../lib/config/types.ts";
import type { Resources } from "../../../lib/provider/contract.ts";

/** Amounts of everything that is counted. */
export interface Amounts {
  readonly instances: number;
  readonly cores: number;
  /** MiB. */
  readonly ram: number;
}

/** A limit that stands in the way, with its numbers. */
export interface Shortage {
  readonly what: keyof Amounts;
  readonly limit: number;
  readonly used: number;
  readonly needed: number;
}

const KINDS = ["instances", "cores", "ram"] as const;
export const NOTHING: Amounts = { instances: 0, cores: 0, ram: 0 };

/** What a node counts: its own resources where they are known, else its label's. A node is one instance. */
export function amountsOf(resources: Readonly<Record<string, unknown>> | Resources | null): Amounts {
  const given: Readonly<Record<string, unknown>> = { ...resources };
  const amount = (key: string, absent: number) => {
    const value = given[key];
    return typeof value === "number" && Number.isFinite(value) ? value : absent;
  };
  return { instances: amount("instances", 1), cores: amount("cores", 0), ram: amount("ram", 0) };
}

export function add(left: Amounts, right: Amounts): Amounts {
  return {
    instances: left.instances + right.instances,
    cores: left.cores + right.cores,
    ram: left.ram + right.ram,
  };
}

/** The limits that a pool's configuration sets. */
export function poolLimits(pool: PoolConfig): Amounts {
  return { instances: pool.maxServers, cores: pool.maxCores, ram: pool.maxRam };
}

/** The limits that a provider tells of; what it does not mention is unlimited. */
export function providerLimits(limits: Resources | undefined): Amounts {
  return {
    instances: limits?.instances ?? Infinity,
    cores: limits?.cores ?? Infinity,
    ram: limits?.ram ?? Infinity,
  };
}

/** The first limit that `needed` more would exceed, or null. */
export function shortageOf(limits: Amounts, used: Amounts, needed: Amounts): Shortage | null {
  const what = KINDS.find((kind) => needed[kind] > 0 && used[kind] + needed[kind] > limits[kind]);
  if (what === undefined) return null;
  return { what, limit: limits[what], used: used[what], needed: needed[what] };
}

const POOL_WORDS = { instances: "max-servers", cores: "max-cores", ram: "max-ram" } as const;

/** A pool's shortage as a sentence part: "max-servers is 3, in use 3, needed 1". */
export function describePoolShortage(shortage: Shortage): string {
  const { what, limit, used, needed } = shortage;
  return `${POOL_WORDS[what]} is ${limit}, in use ${used}, needed ${needed}`;
}

/** A provider's shortage as a sentence part. */
export function describeProviderShortage(shortage: Shortage): string {
  const { what, limit, used, needed } = shortage;
  return `the provider's quota of ${what} is ${limit}, in use ${used}, needed ${needed}`;
}
