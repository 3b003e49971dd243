// Fans changes out to watchers, and lets one that was cut off go on where it stopped.
//
// Invariants:
//   F1. A watcher that starts from a snapshot misses nothing: it is subscribed in the same turn in which the
//       snapshot is taken.
//   F2. A token stands for everything up to its event. Items of a snapshot carry the empty token: whoever is cut off
//       in the middle of a snapshot must take it again.
//   F3. Publishing never waits. A watcher that falls too far behind is ended with RESOURCE_EXHAUSTED.
//   F4. What is kept to resume over are subjects, not how each has been: that would keep alive, for minutes, what has
//       long been replaced. Who resumes is told of each subject once, as it is then.
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../std/clock.ts";
import { EventQueue } from "../std/event_queue.ts";
import { outOfRange } from "./errors.ts";

/** What a watcher gets: a change, or the word that everything up to here was sent. */
export type FeedItem<T> =
  | { readonly event: T; readonly bookmark?: undefined; readonly token: string }
  | { readonly event?: undefined; readonly bookmark: { readonly synced: boolean }; readonly token: string };

/** How to watch. */
export interface WatchOptions<T> {
  /** Continue after this token; empty to begin with the snapshot. */
  readonly resumeToken: string;
  /** Everything there is now, as events. Called at most once, in the turn in which the watch begins. */
  readonly snapshot: () => Iterable<T>;
  /** Ends the watch without an error. */
  readonly signal: AbortSignal;
  /** @default 30000 */
  readonly bookmarkIntervalMs?: number;
}

/** What a feed keeps. */
export interface ChangeFeedOptions<Subject, T> {
  /** The event that tells how a subject is now. */
  readonly tell: (subject: Subject) => T;
  /** Events that a watcher may resume over, and by which it may lag. @default 4096 */
  readonly capacity?: number;
  /** Tells this process's tokens from others'. @default a random UUID */
  readonly epoch?: string;
  readonly clock?: Clock;
}

/** Changes of one kind of resource in this process: subjects change, and watchers get events that tell how they are. */
export class ChangeFeed<Subject, T> {
  readonly #tell: (subject: Subject) => T;
  readonly #capacity: number;
  readonly #epoch: string;
  readonly #clock: Clock;
  // The subjects from #sequence - length + 1 to #sequence, each at its sequence number modulo the capacity.
  readonly #recent: Subject[] = [];
  readonly #watchers = new Set<EventQueue<FeedItem<T>>>();
  #sequence = 0;

  constructor(options: ChangeFeedOptions<Subject, T>) {
    this.#tell = options.tell;
    this.#capacity = options.capacity ?? 4096;
    this.#epoch = options.epoch ?? randomUUID();
    this.#clock = options.clock ?? systemClock;
  }

  /** Number of watches under way. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Tells every watcher of a subject that has changed. */
  publish(subject: Subject): void {
    this.#sequence += 1;
    this.#recent[this.#sequence % this.#capacity] = subject;
    if (this.#watchers.size === 0) return;
    const item: FeedItem<T> = { event: this.#tell(subject), token: this.#token(this.#sequence) };
    for (const queue of this.#watchers) queue.push(item);
  }

  /**
   * The snapshot (or, with a token, what has changed since), a bookmark with `synced`, then each change as it happens;
   * a bookmark without `synced` every half minute.
   *
   * @throws OUT_OF_RANGE when the token is not from this process or too old
   */
  async *watch(options: WatchOptions<T>): AsyncGenerator<FeedItem<T>, void, void> {
    const { resumeToken, signal } = options;
    if (signal.aborted) return;
    const queue = new EventQueue<FeedItem<T>>(this.#capacity);
    const synced: FeedItem<T> = { bookmark: { synced: true }, token: this.#token(this.#sequence) };
    const first: Iterable<FeedItem<T>> =
      resumeToken === ""
        ? Array.from(options.snapshot(), (event) => ({ event, token: "" }))
        : this.#since(resumeToken);
    this.#watchers.add(queue);
    const end = () => queue.close();
    signal.addEventListener("abort", end, { once: true });
    const stopBookmarks = this.#sendBookmarks(queue, options.bookmarkIntervalMs ?? 30_000);
    try {
      for (const item of first) {
        if (signal.aborted) return;
        yield item;
      }
      yield synced;
      for await (const item of queue) {
        if (signal.aborted) return;
        yield item;
      }
    } finally {
      stopBookmarks();
      signal.removeEventListener("abort", end);
      this.#watchers.delete(queue);
      queue.close();
    }
  }

  #sendBookmarks(queue: EventQueue<FeedItem<T>>, interval: number): () => void {
    const send = () => {
      queue.push({ bookmark: { synced: false }, token: this.#token(this.#sequence) });
      cancel = this.#clock.after(interval, send);
    };
    let cancel = this.#clock.after(interval, send);
    return () => cancel();
  }

  #token(sequence: number): string {
    return `${this.#epoch}.${sequence}`;
  }

  #since(token: string): FeedItem<T>[] {
    const [epoch, text, ...rest] = token.split(".");
    const sequence = /^\d{1,15}$/.test(text ?? "") ? Number(text) : -1;
    const oldest = Math.max(0, this.#sequence - this.#capacity);
    if (epoch !== this.#epoch || rest.length > 0 || sequence < oldest || sequence > this.#sequence) {
      throw outOfRange(
        "RESUME_TOKEN_EXPIRED",
        "the resume token is too old or from another server: watch again without one",
      );
    }
    // By the last change of each, for its token stands for all before it.
    const last = new Map<Subject, number>();
    for (let next = sequence + 1; next <= this.#sequence; next += 1) {
      const subject = this.#recent[next % this.#capacity] as Subject;
      last.delete(subject);
      last.set(subject, next);
    }
    return Array.from(last, ([subject, next]) => ({ event: this.#tell(subject), token: this.#token(next) }));
  }
}
