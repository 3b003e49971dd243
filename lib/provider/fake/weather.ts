// What goes wrong in a fake cloud, and how fast things go there. A test changes it at any time.
import type { Resources } from "../contract.ts";

/** The calls of a fake cloud's API. */
export type CloudMethod =
  | "listInstances"
  | "createInstance"
  | "awaitInstance"
  | "deleteInstance"
  | "consoleLog"
  | "listImages"
  | "createImage"
  | "deleteImage"
  | "listLeftovers"
  | "deleteLeftover"
  | "limits";

/** Counters count down: each time that something goes wrong takes one away. Times are milliseconds. */
export interface Weather {
  /** From each call to its answer. */
  latencyMs: number;
  /** From a create to a running instance. */
  createMs: number;
  deleteMs: number;
  /** Lists show instances this much later than they came and went. */
  listLagMs: number;
  /** Creates that fail before anything is made. */
  failCreates: number;
  /** Creates that make the instance and then answer 503. */
  loseCreateReplies: number;
  /** Instances that end as failed instead of running. */
  failBoots: number;
  /** Instances that are gone before they run, though the create was answered. */
  vanish: number;
  failDeletes: number;
  /** Deletes that remove the instance and then answer 503. */
  loseDeleteReplies: number;
  /** Deletes that answer well and remove nothing. */
  lieDeletes: number;
  failLists: number;
  /** Deletes of instances that leave a port behind. */
  leavePorts: number;
  /** Calls of any kind that are answered 429. */
  refuseCalls: number;
  /** More calls within a second are answered 429. */
  callsPerSecond: number;
  /** What a 429 asks for; null for nothing. */
  retryAfterMs: number | null;
  /** These calls are never answered. */
  hang: Set<CloudMethod>;
  /** Each call fails this often (0 to 1), half of them after they have had their effect. */
  storm: { readonly rate: number; readonly random: () => number } | null;
  /** Instances at most; more are refused. */
  quota: number;
  /** What the cloud tells of its limits. */
  limits: Resources;
  /** Creates wait until this is settled. */
  gate: Promise<void> | null;
}

/** Nothing goes wrong, and nothing takes time. */
export function fairWeather(): Weather {
  return {
    latencyMs: 0,
    createMs: 0,
    deleteMs: 0,
    listLagMs: 0,
    failCreates: 0,
    loseCreateReplies: 0,
    failBoots: 0,
    vanish: 0,
    failDeletes: 0,
    loseDeleteReplies: 0,
    lieDeletes: 0,
    failLists: 0,
    leavePorts: 0,
    refuseCalls: 0,
    callsPerSecond: Number.POSITIVE_INFINITY,
    retryAfterMs: null,
    hang: new Set(),
    storm: null,
    quota: Number.POSITIVE_INFINITY,
    limits: {},
    gate: null,
  };
}
