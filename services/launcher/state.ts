// What this process has in hand: locks, launches, deletions, and what has to wait after a failure.
import type { NodeRecord } from "../../lib/model/node.ts";
import type { Resources } from "../../lib/provider/contract.ts";
import { backoffDelay, isWaiting } from "../../lib/std/backoff.ts";
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import {
  type Claim,
  type Hand,
  type HoldWish,
  type HostStatus,
  keys,
  type LaunchStatus,
  type SeenLease,
  type Setback,
} from "./actions.ts";
import { AwayPools } from "./pool/away.ts";
import type { Amounts } from "./pool/quota.ts";
import type { ServedPool } from "./pool/served.ts";
import type { Lease } from "./request/own_data.ts";

/** A launch that this process works on. */
export interface Launch extends LaunchStatus {
  status: LaunchStatus["status"];
  readonly lock: HeldLock;
  /** The node as it is stored, or will be: `version` is that of the last write. */
  record: NodeRecord;
  version: number;
  reason: string;
  /** The trace that it belongs to. */
  readonly traceparent: string | null;
  readonly controller: AbortController;
}

/** A request whose lock we hold. */
export interface HeldRequest {
  readonly pool: ServedPool;
  readonly lock: HeldLock;
}

const RETRY = { initial: 0.1, maximum: 30 };

/** Whoever lost a race looks again soon: somebody has gained by it. */
const RACE = { initial: 0.005, maximum: 0.5 };

/** A map that tells which of its keys have changed. */
class ToldMap<V> extends Map<string, V> {
  readonly #tell: (key: string) => void;

  constructor(tell: (key: string) => void) {
    super();
    this.#tell = tell;
  }

  override set(key: string, value: V): this {
    super.set(key, value);
    this.#tell(key);
    return this;
  }

  override delete(key: string): boolean {
    const existed = super.delete(key);
    if (existed) this.#tell(key);
    return existed;
  }

  override clear(): void {
    const gone = [...this.keys()];
    super.clear();
    for (const key of gone) this.#tell(key);
  }
}

/** A set that tells which of its members have changed. */
class ToldSet extends Set<string> {
  readonly #tell: (key: string) => void;

  constructor(tell: (key: string) => void) {
    super();
    this.#tell = tell;
  }

  override add(key: string): this {
    super.add(key);
    this.#tell(key);
    return this;
  }

  override delete(key: string): boolean {
    const existed = super.delete(key);
    if (existed) this.#tell(key);
    return existed;
  }
}

/** {@link Hand} with what changes it. `now` is in seconds. */
export class HandState implements Hand {
  readonly requests = new ToldMap<HeldRequest>((id) => this.changed(keys.request(id)));
  readonly launches = new ToldMap<Launch>((id) => this.changed(keys.node(id)));
  readonly claims = new ToldMap<Claim>((id) => this.changed(keys.request(id)));
  readonly deletions = new ToldSet((id) => this.changed(keys.node(id)));
  readonly limits = new Map<string, Resources>();
  readonly setbacks = new Map<string, Setback>();
  readonly retired = new Set<string>();
  readonly withdrawing = new Set<string>();
  readonly away = new AwayPools();
  readonly asking = new Set<string>();
  readonly foreign = new Map<string, Amounts>();
  readonly quotaBlocks = new Map<string, number>();
  readonly holdWishes = new ToldMap<HoldWish>((id) => this.changed(keys.node(id)));
  readonly hosts = new ToldMap<HostStatus>((key) => this.changed(keys.host(key)));
  readonly keeping = new Map<string, HeldLock>();
  readonly leasesSeen = new Map<string, SeenLease>();
  currentSince = Infinity;
  /** Hears what has changed, by its key. */
  changed: (key: string) => void = () => {};
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #working = new Set<string>();
  readonly #failures = new Map<string, { count: number; since: number; until: number }>();

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  isBusy(key: string): boolean {
    return this.#working.has(key) || this.#waitsUntil(key) !== null;
  }

  retryAt(key: string): number | null {
    return this.#working.has(key) ? null : this.#waitsUntil(key);
  }

  #waitsUntil(key: string): number | null {
    const failure = this.#failures.get(key);
    return failure !== undefined && isWaiting(failure, this.#now()) ? failure.until : null;
  }

  /** Marks things as being worked on. */
  begin(keys: readonly string[]): void {
    for (const key of keys) {
      this.#working.add(key);
      this.changed(key);
    }
  }

  /** The work has ended well. */
  succeed(keys: readonly string[]): void {
    for (const key of keys) {
      this.#working.delete(key);
      this.#failures.delete(key);
      this.changed(key);
    }
  }

  /**
   * The work has failed: the first repetition may follow at once, later ones wait longer and longer; much less so
   * after a lost race.
   */
  fail(keys: readonly string[], wasRace = false): void {
    for (const key of keys) {
      this.#working.delete(key);
      const count = (this.#failures.get(key)?.count ?? 0) + 1;
      const pauses = { ...(wasRace ? RACE : RETRY), random: this.#random };
      const delay = count === 1 ? 0 : backoffDelay(count - 1, pauses);
      const since = this.#now();
      this.#failures.set(key, { count, since, until: since + delay });
      this.changed(key);
    }
  }

  /**
   * Lets a label wait after its node could not be had, longer each time until it has all its nodes. What was asked for
   * at the same time fails at the same time: that is one setback.
   */
  setBack(label: string, reason: string): void {
    const before = this.setbacks.get(label);
    const since = this.#now();
    if (before !== undefined && isWaiting(before, since)) return;
    const count = (before?.count ?? 0) + 1;
    const delay = backoffDelay(count, { initial: 1, maximum: 60, random: this.#random });
    this.setbacks.set(label, { count, since, until: since + delay, reason });
  }

  /** Takes a request's lease as it is seen at this time (seconds); null: it has none, or is gone. */
  seeLease(request: string, lease: Lease | null, at: number): void {
    if (lease === null) this.leasesSeen.delete(request);
    else if (this.leasesSeen.get(request)?.expires !== lease.expires) {
      this.leasesSeen.set(request, { expires: lease.expires, at });
    }
  }

  /** Forgets what is known of all other providers and labels. */
  keepOnly({ providers, labels }: Record<"providers" | "labels", ReadonlySet<string>>): void {
    for (const known of [this.limits, this.foreign, this.quotaBlocks]) dropOthers(known, providers);
    dropOthers(this.setbacks, labels);
  }

  /** Forgets failures of things that are gone, so that memory stays flat. */
  prune(exists: (key: string) => boolean): void {
    for (const key of this.#failures.keys()) if (!exists(key)) this.#failures.delete(key);
  }
}

function dropOthers(map: Map<string, unknown>, kept: ReadonlySet<string>): void {
  for (const key of map.keys()) if (!kept.has(key)) map.delete(key);
}
