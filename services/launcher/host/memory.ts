// What is remembered of a host in the records of its slots, and the rule by which a host loses trust. Pure.
//
// A slot's record has driver_data {"suspicions": [{"time", "job", "reason"}], "trusted_since": seconds}; it is handed
// on when the record is replaced after use. Nodepool keeps driver_data on rewrite.
import type { NodeRecord } from "../../../lib/model/node.ts";

/** Suspicious runs of this many different jobs take a host out: one job alone may be to blame itself. */
export const SUSPICIOUS_JOBS = 2;

/** Suspicious runs count for this many seconds. */
export const SUSPICION_AGE = 86_400;

/** A host that lost trust is out for at least this many seconds. */
export const QUARANTINE = 60;

/** Clocks of several launchers may differ by so many seconds; what is later than that is no time at all. */
export const CLOCK_SKEW = 60;

/** The latest suspicions that a record keeps. */
const KEPT = 8;

/** A run after which the host could not be used, or of which its user said that the host was to blame. */
export interface Suspicion {
  /** Seconds since the epoch. */
  readonly time: number;
  /** Who ran what: two runs of the same cannot both be blamed on the host. */
  readonly job: string;
  readonly reason: string;
}

export interface Memory {
  readonly suspicions: readonly Suspicion[];
  /** Since when (seconds) the host is trusted again: what was before does not count. */
  readonly trustedSince: number;
}

export const NO_MEMORY: Memory = { suspicions: [], trustedSince: 0 };

/** A host that is not trusted. */
export interface Quarantine {
  /** Checks that begin before (seconds) do not bring it back. */
  readonly until: number;
  readonly reason: string;
}

/** Whether a host is trusted, from what its slots remember. */
export function quarantineOf(memories: readonly Memory[], now: number): Quarantine | null {
  const { suspicions } = merged(memories, now);
  const counting = suspicions.toSorted((one, other) => one.time - other.time);
  const byJob = new Map(counting.map((suspicion) => [suspicion.job, suspicion]));
  if (byJob.size < SUSPICIOUS_JOBS) return null;
  const until = Math.max(...counting.map(({ time }) => time)) + QUARANTINE;
  const runs = [...byJob.values()].map(({ job, reason }) => `${job}: ${reason}`).join("; ");
  return { until, reason: `suspicious runs of ${byJob.size} jobs (${runs})` };
}

/** What counts of what several slots of one host remember. */
export function merged(memories: readonly Memory[], now: number): Memory {
  const isTime = (time: number) => time <= now + CLOCK_SKEW;
  const trustedSince = Math.max(0, ...memories.map((memory) => memory.trustedSince).filter(isTime));
  const suspicions = memories
    .flatMap((memory) => memory.suspicions)
    .filter(({ time }) => isTime(time) && time > trustedSince && now - time < SUSPICION_AGE);
  return { suspicions, trustedSince };
}

/** The memory with one more suspicion. */
export function withSuspicion(memory: Memory, suspicion: Suspicion): Memory {
  return { ...memory, suspicions: [...memory.suspicions, suspicion].slice(-KEPT) };
}

/** Reads what a record remembers; what others wrote there is nothing. */
export function memoryOf({ driverData }: Pick<NodeRecord, "driverData">): Memory {
  if (typeof driverData !== "object" || driverData === null) return NO_MEMORY;
  const list: readonly unknown[] =
    "suspicions" in driverData && Array.isArray(driverData.suspicions) ? driverData.suspicions : [];
  const since = "trusted_since" in driverData ? driverData.trusted_since : 0;
  return { suspicions: list.filter(isSuspicion), trustedSince: typeof since === "number" ? since : 0 };
}

function isSuspicion(value: unknown): value is Suspicion {
  if (typeof value !== "object" || value === null) return false;
  const { time, job, reason } = value as Record<string, unknown>;
  return typeof time === "number" && typeof job === "string" && typeof reason === "string";
}

/** As it is stored; null when there is nothing to remember. */
export function encodeMemory({ suspicions, trustedSince }: Memory): NodeRecord["driverData"] {
  if (suspicions.length === 0 && trustedSince === 0) return null;
  return { suspicions: suspicions.map((one) => ({ ...one })), trusted_since: trustedSince };
}

/** Who used a node, and for what: the project where Zuul tells it, else the labels. */
export function jobOf(record: Pick<NodeRecord, "requestor" | "tenantName" | "userData" | "type">): string {
  const data = record.userData;
  const told = typeof data === "object" && data !== null && "project_name" in data ? data.project_name : null;
  const what = typeof told === "string" ? told : record.type.join(",");
  return [record.requestor ?? "somebody", record.tenantName, what].filter((word) => word !== null).join(" ");
}
