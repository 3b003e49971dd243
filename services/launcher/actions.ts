// What a decision asks for, and what it is made from.
import type { Config } from "../../lib/config/types.ts";
import type { NodeRecord } from "../../lib/model/node.ts";
import type { Host, HostCheck, Resources } from "../../lib/provider/contract.ts";
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import type { PlacedHost } from "./host/slots.ts";
import type { AwayPool } from "./pool/away.ts";
import type { Fit, LaterFit } from "./pool/obstacle.ts";
import type { Amounts } from "./pool/quota.ts";
import type { ServedPool } from "./pool/served.ts";
import type { UnservedPool } from "./pool/unserved.ts";
import type { Link } from "./request/chains.ts";
import type { WorldIndex } from "./world_index.ts";

/** What is to be done. Each action is safe to repeat, and fails harmlessly when somebody else was faster. */
export type Action =
  /** Give the request these nodes, one per label; null: launch one. */
  | {
      readonly kind: "serve";
      readonly request: string;
      readonly pool: ServedPool;
      readonly nodes: readonly (string | null)[];
      /** The zone to launch in; null: the provider's choice. */
      readonly zone: string | null;
    }
  /** Give a request in hand what it lacks: these nodes, one per label; null: launch one. */
  | {
      readonly kind: "supplement";
      readonly request: string;
      readonly pool: ServedPool;
      readonly labels: readonly string[];
      readonly nodes: readonly (string | null)[];
      readonly zone: string | null;
    }
  | { readonly kind: "fulfil"; readonly request: string; readonly nodes: readonly string[] }
  /** These pools cannot serve the request; with `failed`, nobody can. */
  | {
      readonly kind: "decline";
      readonly request: string;
      readonly pools: readonly string[];
      readonly failed: boolean;
      readonly reason: string;
    }
  /** Decline a request in hand: a launch for it has failed for good, or it cannot be served here any more. */
  | {
      readonly kind: "give-up";
      readonly request: string;
      /** The node whose launch has failed. */
      readonly node: string | null;
      readonly failed: boolean;
      readonly reason: string;
    }
  /** Go on with a request whose launcher is gone. */
  | { readonly kind: "adopt"; readonly request: string; readonly pool: ServedPool }
  /** Put a request whose launcher is gone back into the queue. */
  | { readonly kind: "reset"; readonly request: string }
  /** Let go of a request in hand that is gone or somebody else's. */
  | { readonly kind: "drop"; readonly request: string }
  | { readonly kind: "end-lease"; readonly request: string }
  /** Free the nodes of a min-ready request that has ended, and remove it; or withdraw one that is needless. */
  | { readonly kind: "settle-min-ready"; readonly request: string; readonly label: string }
  | { readonly kind: "ask-min-ready"; readonly label: string; readonly count: number }
  /** Launch a recorded node, or go on with its launch. */
  | {
      readonly kind: "launch";
      readonly node: string;
      readonly request: string | null;
      readonly pool: ServedPool;
    }
  /** Record the outcome of a launch for which no request waits (any longer). */
  | { readonly kind: "store"; readonly node: string }
  /** Stop a launch. */
  | { readonly kind: "abandon"; readonly node: string; readonly reason: string }
  | { readonly kind: "delete"; readonly node: string; readonly reason: string }
  /** Take the node from a request that is gone. */
  | { readonly kind: "free"; readonly node: string }
  | { readonly kind: "hold"; readonly node: string }
  /** Return a node whose lease is gone without a trace of its request. */
  | { readonly kind: "return"; readonly node: string }
  /** Find out whether a host can be used. */
  | { readonly kind: "check-host"; readonly placed: PlacedHost }
  /** Record slots of a host that have no record. */
  | { readonly kind: "register-slots"; readonly placed: PlacedHost; readonly records: readonly NodeRecord[] }
  /** Write an idle slot's record as it should be by now: as configured, in service or not. */
  | { readonly kind: "update-slot"; readonly node: string; readonly record: NodeRecord };

/** A wish to keep a node when it is returned. */
export interface HoldWish {
  readonly reason: string;
  /** Seconds that the hold may last; 0 for the configured limit. */
  readonly expireSeconds: number;
}

/** A lease, and when it was last seen to be given or renewed; in seconds. */
export interface SeenLease {
  /** When it ends by the clock of whoever has renewed it. */
  readonly expires: number;
  /** By our clock; -Infinity: before we looked, or before our clock was set. */
  readonly at: number;
}

/** A launch that this process works on, as far as decisions care. */
export interface LaunchStatus {
  readonly node: string;
  /** The request that it was begun for. */
  readonly request: string | null;
  readonly pool: ServedPool;
  readonly label: string;
  /** Whether that request holds a lease. */
  readonly leased: boolean;
  readonly status: "launching" | "ready" | "failed" | "aborted";
  /** Why it failed. */
  readonly reason: string;
}

/** Nodes that are being recorded for a request, or given to it. */
export interface Claim {
  readonly pool: ServedPool;
  readonly tenant: string | null;
  /** The labels of those that are being recorded. */
  readonly labels: readonly string[];
  /** Ready nodes that are being given to it, and what they take. */
  readonly reused: ReadonlyMap<string, Amounts>;
  /** The nodes that the request had before. */
  readonly before: ReadonlySet<string>;
  /** Its places among racing launchers. */
  readonly links: readonly Link[];
}

/** A label's node could not be had for good: how often in a row, and until when (seconds) no more is asked for. */
export interface Setback {
  readonly count: number;
  readonly since: number;
  readonly until: number;
  readonly reason: string;
}

/** What this process knows of a host. */
export interface HostStatus {
  /** As it was configured when the check was begun. */
  readonly host: Host;
  /** Since when (seconds) a check has been under way, or has waited for its turn; null when there is none. */
  readonly checkingSince: number | null;
  /** The last check that has ended; null before the first. Times are seconds. */
  readonly last: HostReport | null;
  /** Checks in a row that have failed. */
  readonly failures: number;
}

export type HostReport = { readonly from: number; readonly at: number } & (
  | { readonly found: HostCheck; readonly problem: null }
  | { readonly found: null; readonly problem: string }
);

/** What this process has in hand. */
export interface Hand {
  /** Whether something is being done about it, or has just failed and is to wait. Keys: {@link keys}. */
  isBusy(key: string): boolean;
  /** Until when (seconds) something has to wait after a failure; null when it does not. */
  retryAt(key: string): number | null;
  /** Requests whose lock we hold, and the pool that serves them, as it was configured then. */
  readonly requests: ReadonlyMap<string, { readonly pool: ServedPool }>;
  readonly launches: ReadonlyMap<string, LaunchStatus>;
  /** Claims under way: their launches are not in the tree yet. */
  readonly claims: ReadonlyMap<string, Claim>;
  /** Nodes whose deletion is under way. */
  readonly deletions: ReadonlySet<string>;
  /** What each provider allows, as last told. */
  readonly limits: ReadonlyMap<string, Resources>;
  /** Providers that have not told their limits yet. */
  readonly asking: ReadonlySet<string>;
  /** What is in use at each provider by instances that no node of ours knows. */
  readonly foreign: ReadonlyMap<string, Amounts>;
  /** Providers that refused for want of quota, and until when (seconds) nothing is launched there. */
  readonly quotaBlocks: ReadonlyMap<string, number>;
  /** By label: see {@link Setback}. */
  readonly setbacks: ReadonlyMap<string, Setback>;
  /** Pools (provider/pool) that were taken out of the configuration while we ran. */
  readonly retired: ReadonlySet<string>;
  /** Ids of pools of ours that are still registered and will not be in a moment. */
  readonly withdrawing: ReadonlySet<string>;
  /** Pools of other launchers that were registered and have gone. */
  readonly away: Iterable<AwayPool>;
  /** Nodes to keep when they are returned. Zuul overwrites the node's document, so the wish is kept here too. */
  readonly holdWishes: ReadonlyMap<string, HoldWish>;
  /** All leases, by request. */
  readonly leasesSeen: ReadonlyMap<string, SeenLease>;
  /** Since when (seconds) the view has been current without a break. */
  readonly currentSince: number;
  /** Hosts that were checked here, by provider/identity. */
  readonly hosts: ReadonlyMap<string, HostStatus>;
  /** Providers whose hosts this process keeps: it alone records new slots and looks after idle ones. */
  readonly keeping: ReadonlyMap<string, HeldLock>;
}

/** The keys under which things are busy. */
export const keys = {
  node: (id: string) => `node:${id}`,
  request: (id: string) => `request:${id}`,
  label: (name: string) => `label:${name}`,
  /** By provider/identity. */
  host: (key: string) => `host:${key}`,
  /** By what the index of hosts calls it. */
  machine: (key: string) => `machine:${key}`,
};

/** The tree as decisions see it. */
export type Tree = Pick<View, "node" | "nodes" | "request" | "requests" | "image" | "pools">;

/** Everything that a decision depends on. */
export interface World {
  readonly tree: Tree;
  readonly config: Pick<Config, "labels" | "maxHoldAge" | "tenantLimits">;
  readonly pools: readonly ServedPool[];
  /** The providers that can be used here, those without pools among them. */
  readonly providers: ReadonlySet<string>;
  /** Pools of ours that would be there if their providers could be used. */
  readonly unserved: readonly UnservedPool[];
  readonly hand: Hand;
  readonly index: WorldIndex;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** What to do now, and why the rest waits. */
export interface Decision {
  readonly actions: readonly Action[];
  /** For each kind of request that waits, by {@link Kind} key: what every pool said, and the first rule in its way. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** The same as a sentence for requests that wait for something else than a pool; those decided about in this pass. */
  readonly reasons: ReadonlyMap<string, string>;
  /** The requests that this decision is about: the reasons of others are what they were. */
  readonly looked: ReadonlySet<string>;
  /** For each label that has fewer ready nodes than wanted, why no more are launched. */
  readonly labelReasons: ReadonlyMap<string, string>;
  /** Labels that have all their ready nodes. */
  readonly satisfied: ReadonlySet<string>;
  /** Which request waits for room in a pool, by the pool's id: the first in the queue. */
  readonly waitsForRoom: ReadonlyMap<string, string>;
  /** Ids of our pools in which a request waits for room, or whose room is kept for one: pools of lower priority may go first. */
  readonly paused: ReadonlySet<string>;
  /** What was thrown where something could not be decided about, by its {@link keys}. */
  readonly undecided: ReadonlyMap<string, unknown>;
  /** By the ids of our pools: labels that those who prefer the pool cannot have there until somebody mends something. */
  readonly unable: ReadonlyMap<string, ReadonlySet<string>>;
  /** When (seconds) time alone may change the decision; null when only events can. */
  readonly wakeAt: number | null;
}

/** Why requests of a kind wait. */
export interface Outcome {
  readonly reason: string;
  /** What those of our pools said that do not leave it to others. */
  readonly fits: readonly Fit[];
  /** Why others of our pools leave it to pools that go first, by their ids. */
  readonly yields: ReadonlyMap<string, string>;
}

/** A decision while it is made. */
export class Draft implements Decision {
  readonly actions: Action[] = [];
  readonly outcomes = new Map<string, Outcome>();
  /** Held requests that were looked at, and for those of them that lack nodes what is in the way. */
  readonly fed = new Set<string>();
  readonly hungry = new Map<string, LaterFit>();
  /** When to look at a node again, in seconds. */
  readonly reminders = new Map<string, number>();
  /** The same for hosts; Infinity: when something happens. */
  readonly hostReminders = new Map<string, number>();
  /** Hosts that have to be checked before a request gets a node there. */
  readonly checks = new Set<string>();
  readonly waitsForRoom = new Map<string, string>();
  /** Which request has waited long and gets the next room in a pool, by the pool's name. */
  readonly aged = new Map<string, string>();
  readonly reasons = new Map<string, string>();
  looked: ReadonlySet<string> = new Set();
  readonly labelReasons = new Map<string, string>();
  readonly satisfied = new Set<string>();
  readonly paused = new Set<string>();
  readonly undecided = new Map<string, unknown>();
  readonly unable = new Map<string, ReadonlySet<string>>();
  wakeAt: number | null = null;

  /** Looks at a node again at this time (seconds). */
  remind(node: string, at: number): void {
    this.reminders.set(node, at);
  }

  /** Decide again at this time (seconds) at the latest. */
  wake(at: number): void {
    if (Number.isFinite(at)) this.wakeAt = Math.min(this.wakeAt ?? at, at);
  }
}
