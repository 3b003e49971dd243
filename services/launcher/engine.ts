// The reconcile loop: a change of the tree, the end of an effect or the passing of time leads to a new decision, and
// the decision to effects.
//
// Invariants:
//   E1. At most one effect works on a node, a request or a label's min-ready at a time.
//   E2. Nothing is decided and nothing begun while the view is not current or lacks our own pools, or the launcher is
//       stopping.
//   E3. An effect has ended only when the view shows what it wrote. So no decision is made twice.

import type { Config } from "../../lib/config/types.ts";
import type { PlannedChange } from "../../lib/daemon/types.ts";
import { withoutZooKeeper } from "../../lib/rpc/errors.ts";
import { delayUntil } from "../../lib/std/clock.ts";
import type { LogFields } from "../../lib/std/logger.ts";
import { isReadable, type ViewChange } from "../../lib/zookeeper/view.ts";
import { exists } from "./action_keys.ts";
import { type Decision, Draft, keys, type World } from "./actions.ts";
import { begin } from "./begin.ts";
import type { Components } from "./components.ts";
import { decide, reasonOf } from "./decide.ts";
import { type Environment, type HostKnowledge, nowOf } from "./environment.ts";
import { judge } from "./host/judge.ts";
import { hostKey } from "./host/slots.ts";
import { planChange } from "./plan_change.ts";
import type { ReadableNode } from "./pool/node_share.ts";
import { unservedPools } from "./pool/unserved.ts";
import { holdWishOf, isHoldTakenBack, ownDataOf } from "./request/own_data.ts";
import { AGAIN_SECONDS, attempt, type Failures, PASS_AGAIN_SECONDS } from "./undecided.ts";
import { Watchers } from "./watchers.ts";
import { WorldIndex } from "./world_index.ts";

/** A clock that is off by this much more than before was set by somebody. */
const CLOCK_JUMP_SECONDS = 2;

/** Decides and acts until it is stopped. */
export class Engine {
  readonly #environment: Environment;
  readonly #components: Components;
  readonly #requestWatchers = new Watchers((error, request) => this.#listenerFailed({ request, error }));
  readonly #nodeWatchers = new Watchers((error, node) => this.#listenerFailed({ node, error }));
  readonly #unsubscribe: (() => void)[] = [];
  #index: WorldIndex;
  /** Whether pools may have come or gone since it was looked who is away. */
  #havePoolsChanged = true;
  #decision: Decision | null = null;
  #scheduled: NodeJS.Immediate | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;
  /** How far the clock is ahead of one that nobody sets, in milliseconds. */
  #clockOffset: number | null = null;

  constructor(environment: Environment, components: Components) {
    this.#environment = environment;
    this.#components = components;
    this.#index = this.#newIndex();
  }

  #newIndex(): WorldIndex {
    const { context, pools, hand } = this.#environment;
    const { view: tree, config } = context;
    const index = new WorldIndex({ tree, config, pools, hand });
    hand.changed = (key) => index.touch(key);
    return index;
  }

  /** The last decision; null before the first. */
  get decision(): Decision | null {
    return this.#decision;
  }

  /** The last decision with the world as it is now; before the first, one that decides nothing. */
  get decided(): { world: World; decision: Decision } {
    return { world: this.#world(), decision: this.#decision ?? new Draft() };
  }

  #world(): World {
    const { context, pools, hand } = this.#environment;
    const { view: tree, config } = context;
    const unserved = unservedPools(context.config, context.unserved);
    const providers = new Set(context.providers.map(({ name }) => name));
    const now = nowOf(this.#environment);
    return { tree, config, pools, providers, unserved, hand, index: this.#index, now };
  }

  /** Why a request waits, as the last decision has it. */
  reasonOf(request: string): string | undefined {
    return this.#decision === null ? undefined : reasonOf({ index: this.#index }, this.#decision, request);
  }

  /** The nodes that are allocated to a request, as the view has them. */
  nodesOf(request: string): readonly ReadableNode[] {
    const { view } = this.#environment.context;
    return this.#index.nodes.nodesOf(request).flatMap(({ id }) => {
      const node = view.node(id);
      return isReadable(node) && node.record.allocatedTo === request ? [node] : [];
    });
  }

  /** What the decisions know of hosts. */
  readonly hosts: HostKnowledge = {
    slotOf: (node) => this.#index.hosts.slotOf(node),
    nodesOf: (placed) => this.#index.hosts.slotsOf(placed).flatMap(({ node }) => node ?? []),
    judge: (placed, more = []) => {
      const status = this.#environment.hand.hosts.get(hostKey(placed));
      return judge(placed.host, this.hosts.nodesOf(placed), status, nowOf(this.#environment), more);
    },
  };

  /** Says that this launcher has begun or ended to keep hosts. */
  touchHosts(): void {
    this.#index.hosts.touchAll();
    this.kick();
  }

  /** What another configuration would change. @throws UNAVAILABLE while it is not known how things are */
  plan(next: Config): PlannedChange[] {
    const { context, pools, hand } = this.#environment;
    const { view: tree, config } = context;
    if (!tree.current) throw withoutZooKeeper();
    const unserved = unservedPools(config, context.unserved);
    return planChange({ tree, config, pools, unserved, hand, now: nowOf(this.#environment) }, next);
  }

  start(): void {
    const { view, session } = this.#environment.context;
    const failures: Failures = new Map();
    for (const { id } of view.nodes()) attempt(failures, keys.node(id), () => this.#rememberWish(id));
    this.#unsubscribe.push(
      view.subscribe((change) => this.#note(change)),
      view.onCurrent((current) => {
        this.#noteCurrent(current);
        this.#index.touchAll();
        this.kick();
      }),
      session.onState((state) => {
        if (state === "lost") this.#forgetLocks();
        this.#index.touchAll();
        if (state === "connected") this.kick();
      }),
    );
    for (const { id } of view.requests()) {
      attempt(failures, keys.request(id), () => this.#noteRequest(id, Number.NEGATIVE_INFINITY));
    }
    this.#tellOf(failures);
    this.#index.touchAll();
    this.#noteCurrent(view.current);
    this.kick();
  }

  /** Goes on with another configuration: everything is decided about anew. */
  reload(): void {
    this.#index = this.#newIndex();
    // The next decision may have to wait until our pools are shown, and deletions under way ask for slots meanwhile.
    for (const { id } of this.#environment.context.view.nodes()) this.#index.noteNode(id);
    this.kick();
  }

  /** Ends deciding; what is under way goes on until its owner stops it. */
  stop(): void {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#cancelTimer?.();
    clearImmediate(this.#scheduled);
  }

  /** Hears when a request, one of its nodes or the reason why it waits may have changed. */
  watchRequest(request: string, listener: () => void): () => void {
    return this.#requestWatchers.add(request, listener);
  }

  /** Hears when a node may have changed. */
  watchNode(node: string, listener: () => void): () => void {
    return this.#nodeWatchers.add(node, listener);
  }

  /** Decides soon; calls until then are one. */
  kick = (): void => {
    if (this.#stopped || this.#scheduled !== undefined) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      try {
        this.#pass();
      } catch (error) {
        this.#passFailed(error);
      }
      this.#requestWatchers.tell();
      this.#nodeWatchers.tell();
    });
  };

  #tellOf(failures: ReadonlyMap<string, unknown>): void {
    for (const [subject, error] of failures) {
      this.#environment.context.logger.error("deciding failed", { subject, error, next: AGAIN_SECONDS });
    }
  }

  #listenerFailed(fields: LogFields): void {
    this.#environment.context.logger.error("a listener to a request or node failed", fields);
  }

  // What one thing throws is kept to it. This was thrown by what is done for all of them, and nobody knows how far it went.
  #passFailed(error: unknown): void {
    const { clock, logger } = this.#environment.context;
    logger.error("deciding failed", { error, next: PASS_AGAIN_SECONDS });
    this.#index.touchAll();
    this.#cancelTimer?.();
    this.#cancelTimer = clock.after(PASS_AGAIN_SECONDS * 1000, this.kick);
  }

  #note({ kind, id }: ViewChange): void {
    // First, since the rest may throw.
    this.kick();
    if (kind === "component") {
      this.#havePoolsChanged = true;
      this.#index.touchPools();
    }
    if (kind === "node") {
      for (const request of this.#index.noteNode(id)) this.#requestWatchers.note(request);
      this.#nodeWatchers.note(id);
      this.#rememberWish(id);
    }
    if (kind !== "request") return;
    this.#index.touch(keys.request(id));
    this.#requestWatchers.note(id);
    this.#noteRequest(id, nowOf(this.#environment));
  }

  #noteRequest(id: string, at: number): void {
    const { context, hand, requestIds } = this.#environment;
    requestIds.update(id);
    const record = context.view.request(id)?.record;
    hand.seeLease(id, record ? ownDataOf(record).lease : null, at);
  }

  // After a jump of the clock every age and lease would be wrong: as after an outage, holders first get time to renew.
  #noteClock(): void {
    const { context, hand } = this.#environment;
    const { clock } = context;
    if (clock.elapsed === undefined) return;
    const offset = clock.now() - clock.elapsed();
    const jump = this.#clockOffset === null ? 0 : (offset - this.#clockOffset) / 1000;
    if (this.#clockOffset !== null && Math.abs(jump) < CLOCK_JUMP_SECONDS) return;
    this.#clockOffset = offset;
    if (jump === 0) return;
    context.logger.warn("the machine's clock has jumped: leases get time to be renewed", { seconds: jump });
    for (const [request, seen] of hand.leasesSeen) {
      hand.leasesSeen.set(request, { ...seen, at: Number.NEGATIVE_INFINITY });
    }
    if (context.view.current) hand.currentSince = nowOf(this.#environment);
    this.#index.touchAll();
  }

  #notePools(): void {
    const { context, pools, hand } = this.#environment;
    // Most passes are about nodes and requests.
    if (!this.#havePoolsChanged && hand.away.isEmpty) return;
    this.#havePoolsChanged = false;
    const own = new Set([...pools.map(({ id }) => id), ...hand.withdrawing]);
    const hasEnded = hand.away.note(context.view.pools(), own, nowOf(this.#environment));
    if (hasEnded) this.#index.touchPools();
  }

  #noteCurrent(current: boolean): void {
    const { hand } = this.#environment;
    hand.currentSince = current ? nowOf(this.#environment) : Infinity;
  }

  #rememberWish(id: string): void {
    const { context, hand } = this.#environment;
    const record = context.view.node(id)?.record;
    if (record === undefined || record === null || record.state === "hold" || isHoldTakenBack(record)) {
      hand.holdWishes.delete(id);
      return;
    }
    const wish = holdWishOf(record);
    if (wish !== null) hand.holdWishes.set(id, wish);
  }

  // The locks went with the session; their signals have stopped what was done under them.
  #forgetLocks(): void {
    const { hand } = this.#environment;
    hand.requests.clear();
    for (const launch of hand.launches.values()) {
      if (launch.status !== "launching") hand.launches.delete(launch.node);
    }
  }

  #pass(): void {
    const { context, hand } = this.#environment;
    this.#cancelTimer?.();
    const isConnected = context.view.current && context.session.state === "connected";
    if (this.#stopped || !isConnected || !this.#components.shows(this.#environment.pools)) return;
    this.#noteClock();
    this.#notePools();
    const world = this.#world();
    const { now } = world;
    const [before, decision] = [this.#decision, decide(world)];
    this.#decision = decision;
    this.#tellOf(decision.undecided);
    hand.prune((key) => exists(this.#environment, key));
    for (const label of decision.satisfied) hand.setbacks.delete(label);
    for (const action of decision.actions) begin(this.#environment, action);
    this.#components.setPaused(decision.paused, decision.unable);
    if (decision.wakeAt !== null) {
      const delay = delayUntil(decision.wakeAt, now);
      this.#cancelTimer = context.clock.after(delay, this.kick);
    }
    if (!this.#requestWatchers.isEmpty) this.#noteReasons(before, decision);
  }

  #noteReasons(before: Decision | null, { looked, outcomes }: Decision): void {
    for (const id of looked) this.#requestWatchers.note(id);
    for (const { key, waiting } of this.#index.queue.kinds()) {
      if (before?.outcomes.get(key)?.reason === outcomes.get(key)?.reason) continue;
      for (const { id } of waiting.items) this.#requestWatchers.note(id);
    }
  }
}
