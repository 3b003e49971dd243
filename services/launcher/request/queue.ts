// The requests that wait for a pool, in the order in which they are served. Requests that ask for the same thing are
// kept together: what a pool answers the first of them it answers all of them.
import { compareRequests, MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { SortedList } from "../../../lib/std/sorted_list.ts";
import type { Readable, RequestEntry } from "../../../lib/zookeeper/view.ts";
import { ownDataOf } from "./own_data.ts";

/** After this many seconds of waiting for room, a request gets the next room that becomes free in its pool. */
export const AGING_SECONDS = 60;

/** A request whose document can be read. */
export type ReadableRequest = Readable<RequestEntry>;

/** Requests that ask for the same: labels, provider, tenant, the same pools declined. */
export interface Kind {
  readonly key: string;
  readonly waiting: SortedList<ReadableRequest>;
  /** Those of them that have waited long. */
  readonly aged: SortedList<ReadableRequest>;
}

interface Place {
  readonly entry: ReadableRequest;
  readonly kind: Kind | null;
  /** The labels of a min-ready request that is under way. */
  readonly coming: readonly string[];
}

const NONE: ReadonlySet<string> = new Set();

/** Since when a request has waited. */
export function waitingSince(entry: ReadableRequest): number {
  return entry.record.createdTime ?? entry.createdAt;
}

export class Queue {
  readonly #kinds = new Map<string, Kind>();
  readonly #places = new Map<string, Place>();
  /** The min-ready requests that are under way, by label. */
  readonly #coming = new Map<string, Set<string>>();

  /** Takes a request as it is now; `waits`: no pool has taken it yet, and nothing stands in the way of taking it. */
  update(entry: ReadableRequest, waits: boolean, now: number): void {
    this.remove(entry.id);
    const { record } = entry;
    // One of ours that has failed counts until it is settled: only then it is known how long the next has to wait.
    const isOpen = record.state !== "failed" || ownDataOf(record).minReady;
    const isComing = record.requestor === MIN_READY_REQUESTOR && isOpen;
    const place: Place = {
      entry,
      kind: waits ? this.#kindOf(entry) : null,
      coming: isComing ? record.nodeTypes : [],
    };
    this.#places.set(entry.id, place);
    place.kind?.waiting.add(entry);
    if (now - waitingSince(entry) >= AGING_SECONDS) place.kind?.aged.add(entry);
    for (const label of place.coming) {
      this.#coming.set(label, (this.#coming.get(label) ?? new Set()).add(entry.id));
    }
  }

  remove(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    for (const label of place.coming) {
      const ids = this.#coming.get(label);
      ids?.delete(id);
      if (ids?.size === 0) this.#coming.delete(label);
    }
    if (place.kind === null) return;
    place.kind.waiting.remove(place.entry);
    place.kind.aged.remove(place.entry);
    if (place.kind.waiting.size === 0) this.#kinds.delete(place.kind.key);
  }

  #kindOf({ record }: ReadableRequest): Kind {
    const { lease, minReady } = ownDataOf(record);
    const key = JSON.stringify([
      record.nodeTypes,
      record.reuse,
      record.provider,
      record.tenantName,
      record.declinedBy,
      record.requestor === MIN_READY_REQUESTOR,
      lease !== null || minReady,
    ]);
    const newList = () => new SortedList<ReadableRequest>(compareRequests);
    const kind: Kind = this.#kinds.get(key) ?? { key, waiting: newList(), aged: newList() };
    this.#kinds.set(key, kind);
    return kind;
  }

  /** What is asked for by those who wait. */
  kinds(): Iterable<Kind> {
    return this.#kinds.values();
  }

  /** The kind of a request that waits; null for others. */
  kindOf(id: string): Kind | null {
    return this.#places.get(id)?.kind ?? null;
  }

  /** The labels of which min-ready requests are to bring nodes. */
  comingLabels(): Iterable<string> {
    return this.#coming.keys();
  }

  /** The min-ready requests that are to bring a node of a label. */
  comingFor(label: string): ReadonlySet<string> {
    return this.#coming.get(label) ?? NONE;
  }

  /** Nodes of a label that min-ready requests are to bring: each one. */
  comingOf(label: string): number {
    return this.comingFor(label).size;
  }

  /** How many requests wait before this one, and the first `some` of them. */
  before(
    entry: ReadableRequest,
    some: number,
  ): { readonly count: number; readonly first: readonly string[] } {
    let count = 0;
    const first = new SortedList<ReadableRequest>(compareRequests);
    for (const { waiting } of this.#kinds.values()) {
      const ahead = waiting.countBefore(entry);
      count += ahead;
      for (const other of waiting.items.slice(0, Math.min(ahead, some))) first.add(other);
    }
    return { count, first: first.items.slice(0, some).map(({ id }) => id) };
  }
}
