// The loop of one metastatic provider: a change of the records, a launch that wants a slot or the passing of time leads
// to a decision, and the decision to writes.
//
// Invariants:
//   M1. A decision is made from a settled view, in the turn in which it settled, and is carried out with the versions
//       that it saw. So two processes never give the same slot away: one of them finds the backing node changed. Of a
//       backing node of which a change is not shown yet nothing is given away: its version may be that of a claim
//       whose node is not seen. (A claim writes its node first: what is told of the backing node is told later.)
//   M2. Nothing about slots is kept in memory. A restart, another configuration or another launcher reads the same.
//   M3. A backing node is ours only while our own contender, with our name as its data, is first in its lock's line.

import { backoffDelay } from "../../std/backoff.ts";
import { type Clock, delayUntil, seconds } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import type { Logger } from "../../std/logger.ts";
import { isConflict, isZooKeeperError } from "../../zookeeper/types.ts";
import { type Metadata, ProviderError } from "../contract.ts";
import type { Nodepool, NoteInstance } from "../nodepool.ts";
import { type BackingAction, decideBacking } from "./decide.ts";
import { ask, claimOf, fail, retire, take, withdraw } from "./effects.ts";
import { Holdings } from "./holdings.ts";
import type { Records, SharedEntry } from "./records.ts";
import type { Terms } from "./terms.ts";

/** A launch that wants a slot. */
interface Ticket {
  readonly node: string;
  readonly label: string;
  readonly backingLabel: string;
  /** Labels whose nodes are to stand on the launched one. */
  readonly above: readonly string[];
  readonly metadata: Metadata;
  readonly note: NoteInstance;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface SharingOptions {
  readonly provider: string;
  readonly terms: Pick<Terms, "of">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Sharing {
  readonly #options: SharingOptions;
  readonly #nodepool: Nodepool;
  readonly #records: Holdings;
  readonly #tickets = new Map<string, Ticket>();
  readonly #unsubscribe: (() => void)[];
  #reasons: ReadonlyMap<string, string> = new Map();
  #cancelTimer = () => {};
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #failures = 0;

  constructor(options: SharingOptions, nodepool: Nodepool) {
    const { view } = nodepool;
    this.#options = options;
    this.#nodepool = nodepool;
    this.#records = new Holdings(options.provider, nodepool);
    this.#records.rebuild();
    this.#unsubscribe = [
      view.subscribe((change) => {
        if (this.#records.update(change)) this.#kick();
      }),
      view.onCurrent(() => {
        this.#records.rebuild();
        this.#kick();
      }),
    ];
    this.#kick();
  }

  get records(): Holdings {
    return this.#records;
  }

  /** Why a node waits for a slot, or what becomes of a backing node. */
  reasonOf(node: string): string | null {
    return this.#reasons.get(node) ?? null;
  }

  /** Begins nothing more; whoever waits for a slot is told. */
  end(): void {
    this.#stopped = true;
    this.#cancelTimer();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const ticket of this.#tickets.values()) ticket.reject(new ProviderError("the provider is stopping"));
    this.#tickets.clear();
  }

  /** Resolves when nothing is under way any more: without ZooKeeper that may be when it is back. */
  async stop(): Promise<void> {
    this.end();
    await this.#running;
  }

  /** Gives a node a slot; resolves when the view shows it. */
  async claim(wish: Omit<Ticket, "resolve" | "reject">, signal: AbortSignal): Promise<void> {
    // A signal that is aborted already tells nobody.
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const ticket: Ticket = { ...wish, resolve, reject };
    this.#tickets.set(wish.node, ticket);
    this.#kick();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
      if (this.#tickets.get(wish.node) === ticket) this.#tickets.delete(wish.node);
      this.#kick();
    }
  }

  /** Lets no further node onto a backing node. */
  async fail(backing: string, reason: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#nodepool.view.settled();
      const entry = await this.#records.held(backing);
      if (entry === null || entry.shared.failed) return;
      try {
        await fail(this.#nodepool, entry, reason);
        this.#options.logger.warn("a backing node takes no further nodes", { node: backing, reason });
        return await this.#nodepool.view.settled();
      } catch (error) {
        if (!isZooKeeperError(error, "BAD_VERSION") || attempt === 5) throw error;
      }
    }
  }

  #kick = (): void => {
    this.#again = true;
    if (this.#stopped || this.#running !== null) return;
    this.#cancelTimer();
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#again) this.#kick();
    });
  };

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#pass();
      }
      this.#failures = 0;
    } catch (error) {
      this.#again = false;
      this.#failures += 1;
      const pause = backoffDelay(this.#failures, { initial: 100, maximum: 10_000 });
      const { logger, clock } = this.#options;
      logger[isZooKeeperError(error) ? "debug" : "error"]("backing nodes: deciding anew", {
        error: messageOf(error),
        pause,
      });
      this.#cancelTimer = clock.after(pause, this.#kick);
    }
  }

  async #pass(): Promise<void> {
    const { view } = this.#nodepool;
    await this.#records.settled();
    if (!view.current || this.#stopped) return;
    const now = seconds(this.#options.clock);
    const backing = this.#records.backingNodes(now);
    const requests = this.#records.backingRequests();
    // What is settled next need not differ from what is seen: no change tells of it.
    if ([...backing, ...requests].some(({ isSettled }) => !isSettled)) this.#again = true;
    const decision = decideBacking({
      terms: this.#options.terms,
      backing,
      requests,
      // What is asked for a node that is gone would be withdrawn and asked for again without end.
      waiting: [...this.#tickets.values()].filter(({ node }) => this.#records.isWaiting(node)),
      waitingEverywhere: (label) => this.#records.waitingOf(label),
      now,
    });
    this.#reasons = decision.reasons;
    this.#cancelTimer();
    if (decision.wakeAt < Number.POSITIVE_INFINITY) {
      this.#cancelTimer = this.#options.clock.after(delayUntil(decision.wakeAt, now), this.#kick);
    }
    // What each action works on, as the decision saw it.
    const seen = { shared: new Map(this.#records.shared), requests: new Map(this.#records.requests) };
    for (const action of decision.actions) {
      if (!this.#stopped) await this.#perform(action, seen, now);
      this.#again = true;
    }
  }

  async #perform(
    action: BackingAction,
    seen: Pick<Records, "shared" | "requests">,
    now: number,
  ): Promise<void> {
    const { provider, logger } = this.#options;
    const nodepool = this.#nodepool;
    try {
      switch (action.kind) {
        case "claim": {
          const entry = seen.shared.get(action.backing);
          const ticket = this.#tickets.get(action.node);
          if (entry !== undefined && ticket !== undefined) await this.#give(ticket, entry, action.slot);
          return;
        }
        case "ask":
          await ask(nodepool, provider, { ...action, above: this.#labelsAbove(action.label), now });
          return void logger.info("asked for backing nodes", { ...action });
        case "take": {
          const request = seen.requests.get(action.request);
          const node = nodepool.view.node(action.node);
          if (request === undefined || node === undefined || node.lock.contenders.length > 0) return;
          await take(nodepool, provider, request, node, { ...action, now });
          return void logger.info("took a backing node", { ...action });
        }
        case "withdraw": {
          const request = seen.requests.get(action.request);
          if (request !== undefined) await withdraw(nodepool, request);
          logger.info("ended a request for a backing node", {
            request: action.request,
            reason: action.reason,
          });
          for (const node of action.nodes) this.#tickets.get(node)?.reject(new ProviderError(action.reason));
          return;
        }
        case "retire": {
          const entry = seen.shared.get(action.backing);
          if (entry !== undefined) await retire(nodepool, entry, now);
          return void logger.info("gave a backing node back", {
            node: action.backing,
            reason: action.reason,
          });
        }
      }
    } catch (error) {
      if (!isConflict(error)) throw error;
      logger.debug("somebody was faster", { ...action, error: messageOf(error) });
    }
  }

  /** The labels that stand on this one, as far as its launches tell. */
  #labelsAbove(label: string): string[] {
    const tickets = [...this.#tickets.values()].filter((ticket) => ticket.label === label);
    return [...new Set(tickets.flatMap(({ above }) => above))];
  }

  /**
   * When the backing node has changed, another is looked for. Whatever else fails ends the launch's attempt: whoever
   * repeats it finds what was written.
   */
  async #give(ticket: Ticket, entry: SharedEntry, slot: number): Promise<void> {
    const { id, version } = entry.node;
    try {
      await ticket.note(ticket.node, claimOf(entry, ticket.node, slot, ticket.metadata));
      await this.#nodepool.view.settled();
      ticket.resolve();
    } catch (error) {
      await this.#nodepool.view.settled();
      const now = this.#records.shared.get(id);
      const hasChanged = now?.node.version !== version || now.contender !== entry.contender;
      if (!isConflict(error) || !hasChanged) ticket.reject(error);
      else this.#options.logger.debug("somebody was faster", { node: ticket.node, backing: id });
    }
  }
}
