// What decisions look at, kept up change by change: sums over nodes and the queue of requests, and what has to be
// decided about anew because it, or what it depends on, has changed or its time has come.
import type { Config } from "../../lib/config/types.ts";
import { Agenda } from "../../lib/std/agenda.ts";
import { isReadable } from "../../lib/zookeeper/view.ts";
import { type Draft, type Hand, keys, type Tree } from "./actions.ts";
import { HostIndex } from "./host/host_index.ts";
import { isGoing, NodeIndex } from "./pool/node_index.ts";
import type { LaterFit } from "./pool/obstacle.ts";
import { Reservations } from "./pool/reservations.ts";
import type { ServedPool } from "./pool/served.ts";
import { leaseEnd, ownDataOf } from "./request/own_data.ts";
import { AGING_SECONDS, type Kind, Queue, waitingSince } from "./request/queue.ts";
import { AGAIN_SECONDS, attempt, type Failures, type Undecided, whyUndecided } from "./undecided.ts";

/** What has to be decided about. */
export interface Touched {
  readonly nodes: ReadonlySet<string>;
  readonly requests: ReadonlySet<string>;
  /** Machines of static pools. */
  readonly machines: ReadonlySet<string>;
  /** What could not even be counted, and so is not among the others. */
  readonly failures: Failures;
}

/** What the index is made over. */
export interface Surroundings {
  readonly tree: Tree;
  readonly config: Pick<Config, "labels" | "maxHoldAge" | "tenantLimits">;
  readonly pools: readonly ServedPool[];
  readonly hand: Hand;
}

export class WorldIndex {
  readonly nodes: NodeIndex;
  readonly hosts: HostIndex;
  readonly queue = new Queue();
  /** Room that claims under way have taken. */
  readonly reserved = new Reservations();
  readonly #tree: Tree;
  readonly #hand: Hand;
  readonly #agenda = new Agenda();
  readonly #reasons = new Map<string, string>();
  /** Requests in hand that lack nodes, and what was in the way of them: looked at in every pass. */
  readonly hungry = new Map<string, LaterFit>();
  /** Requests whose next step depends on who is registered: pending ones that nobody holds, failed ones for min-ready. */
  readonly #lost = new Set<string>();
  /** What could not be decided about, by key. */
  readonly undecided = new Map<string, Undecided>();
  /** Those of it that are not counted, or as they were: nobody knows what the sums lack. */
  readonly uncounted = new Set<string>();
  #nodes = new Set<string>();
  #requests = new Set<string>();

  /** Begins with everything to be decided about. */
  constructor({ tree, pools, hand }: Surroundings) {
    this.#tree = tree;
    this.#hand = hand;
    this.nodes = new NodeIndex(tree, hand, pools);
    this.hosts = new HostIndex(tree, pools);
    this.touchAll();
  }

  /** Says that a node, a request or what is in hand of it has changed. Keys: {@link keys}. */
  touch(key: string): void {
    if (key.startsWith("node:")) this.#nodes.add(key.slice("node:".length));
    else if (key.startsWith("request:")) this.#requests.add(key.slice("request:".length));
    else if (key.startsWith("host:")) this.hosts.touch(key.slice("host:".length));
    else if (key.startsWith("machine:")) this.hosts.touchMachine(key.slice("machine:".length));
    else this.undecided.delete(key);
  }

  /** Counts a node at once as the tree shows it; gives the requests that it belongs to or has belonged to. */
  noteNode(id: string): readonly string[] {
    this.#nodes.add(id);
    let requests: readonly string[] = [];
    // What is thrown is thrown again when the decision is prepared, and told then.
    attempt(new Map(), keys.node(id), () => {
      this.hosts.update(id);
      requests = this.nodes.update(id);
    });
    for (const request of requests) this.#requests.add(request);
    return requests;
  }

  /** Says that pools have come or gone, here or at other launchers. */
  touchPools(): void {
    for (const id of this.nodes.unsettled) this.#nodes.add(id);
    for (const id of this.#lost) this.#requests.add(id);
  }

  touchAll(): void {
    for (const { id } of this.#tree.nodes()) this.#nodes.add(id);
    for (const { id } of this.#tree.requests()) this.#requests.add(id);
    for (const id of this.#hand.launches.keys()) this.#nodes.add(id);
    for (const id of this.#hand.requests.keys()) this.#requests.add(id);
    for (const id of this.#hand.claims.keys()) this.#requests.add(id);
    this.hosts.touchAll();
    this.undecided.clear();
  }

  /** Brings the indexes up to date and gives what is to be decided about. */
  prepare(now: number): Touched {
    for (const key of this.#agenda.due(now)) this.touch(key);
    const [nodes, requests] = [this.#nodes, this.#requests];
    this.#nodes = new Set();
    this.#requests = new Set();
    for (const id of requests) {
      for (const node of this.nodes.nodesOf(id)) nodes.add(node.id);
    }
    const failures: Failures = new Map();
    for (const id of nodes) {
      const isCounted = this.#count(failures, keys.node(id), (key) => {
        // When first, whether then: a pause may end in between.
        this.#agenda.set(key, this.#hand.retryAt(key));
        this.hosts.update(id);
        for (const request of this.nodes.update(id)) requests.add(request);
        // What stands on a node that goes is looked at in this loop, too.
        if (isGoing(this.#tree.node(id))) for (const node of this.nodes.standingOn(id)) nodes.add(node);
      });
      if (!isCounted) nodes.delete(id);
    }
    for (const id of requests) {
      if (this.#count(failures, keys.request(id), () => this.#place(id, now))) continue;
      requests.delete(id);
      // It may have got as far as into the queue.
      this.queue.remove(id);
    }
    const machines = this.hosts.takeTouched();
    for (const machine of machines) {
      const key = keys.machine(machine);
      this.undecided.delete(key);
      if (attempt(failures, key, () => this.hosts.assignment(machine))) continue;
      // Requests look at the slots of all machines of a pool.
      this.hosts.leaveOut(machine);
    }
    return { nodes, requests, machines, failures };
  }

  /** Counts one thing anew. False when that throws. */
  #count(failures: Failures, key: string, count: (key: string) => void): boolean {
    this.undecided.delete(key);
    const isCounted = attempt(failures, key, () => count(key));
    if (isCounted) this.uncounted.delete(key);
    else this.uncounted.add(key);
    return isCounted;
  }

  #place(id: string, now: number): void {
    const key = keys.request(id);
    const entry = this.#tree.request(id);
    this.#lost.delete(id);
    this.#reserve(id);
    this.#agenda.set(key, this.#hand.retryAt(key));
    if (!isReadable(entry)) {
      this.queue.remove(id);
      return;
    }
    // Asked once: a pause may end between two answers, and then nobody would look again.
    const isBusy = this.#hand.isBusy(key);
    const isOpen = !isBusy && entry.lock.contenders.length === 0;
    const isHeld = this.#hand.requests.has(id);
    const { lease, minReady } = ownDataOf(entry.record);
    const end = lease === null ? Infinity : leaseEnd(id, lease, this.#hand);
    const waits = entry.record.state === "requested" && isOpen && !isHeld && now < end;
    this.queue.update(entry, waits, now);
    const isEnded = entry.record.state === "failed" && minReady;
    if (isEnded || (entry.record.state === "pending" && !isHeld)) this.#lost.add(id);
    if (isBusy) return;
    const aging = waitingSince(entry) + AGING_SECONDS;
    this.#agenda.set(key, Math.min(end > now ? end : Infinity, waits && aging > now ? aging : Infinity));
  }

  /** Takes over what a decision has found. @param now seconds since the epoch */
  absorb(draft: Draft, now: number): void {
    for (const id of draft.looked) {
      this.#reasons.delete(id);
      this.hungry.delete(id);
    }
    for (const [id, reason] of draft.reasons) this.#reasons.set(id, reason);
    for (const [id, fit] of draft.hungry) this.hungry.set(id, fit);
    for (const [id, at] of draft.reminders) this.#agenda.set(keys.node(id), at);
    for (const [key, at] of draft.hostReminders) this.#agenda.set(keys.host(key), at);
    for (const [key, error] of draft.undecided) this.#setAside(key, error, now);
  }

  #setAside(key: string, error: unknown, now: number): void {
    const until = now + AGAIN_SECONDS;
    this.undecided.set(key, { reason: whyUndecided(error), until });
    this.#agenda.set(key, until);
    const request = key.startsWith("request:") ? key.slice("request:".length) : null;
    if (request === null) return;
    this.#reasons.set(request, whyUndecided(error));
    const entry = this.#tree.request(request);
    // It leaves its kind to others, and still counts for min-ready.
    if (isReadable(entry) && !this.uncounted.has(key)) this.queue.update(entry, false, now);
  }

  /** The kind of a request that waits for a pool; null for others, also while something is being done about it. */
  kindOf(request: string): Kind | null {
    return this.#hand.isBusy(keys.request(request)) ? null : this.queue.kindOf(request);
  }

  /** Why a request that waits for nothing of the queue waits. */
  reasonOf(request: string): string | undefined {
    return this.#reasons.get(request);
  }

  /** When time alone makes something due; null when nothing is. */
  get nextDue(): number | null {
    return this.#agenda.next;
  }

  /** What a claim under way has reserved, less what the tree shows of it already. */
  #reserve(request: string): void {
    const claim = this.#hand.claims.get(request);
    if (claim === undefined) {
      this.reserved.set(request, null);
      return;
    }
    const { pool, tenant, labels, reused, before } = claim;
    const shown = new Set(this.nodes.nodesOf(request).map(({ id }) => id));
    const recorded = [...shown].filter((id) => !before.has(id) && !reused.has(id)).length;
    const given = [...reused].flatMap(([id, amounts]) => (shown.has(id) ? [] : [amounts]));
    this.reserved.set(request, { pool, tenant, labels: labels.slice(recorded), given });
  }
}
