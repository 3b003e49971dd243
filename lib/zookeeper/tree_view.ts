// The watched copy of /nodepool: one recursive watch, one walk, then one read for each change of somebody else's.
//
// Invariants:
//   V1. The watch is set before the walk begins, and what it reports during the walk is applied after it: nothing is
//       missed.
//   V2. Events are applied in the order in which they came; a znode's data may be newer than its event, never older,
//       and it is gone when its deletion has its turn, not before. So whoever sees it gone sees all that was written
//       until then. Where we have written it ourselves, it is taken from the write, unless a read has shown more.
//   V3. Events that arrive together (most often those of one transaction) become visible together: then no node is
//       shown unlocked with the state that it had while it was locked, unless it is deleted by then.
//   V4. After a reconnection everything is read again; what differs, deletions included, is reported as changed.
import { ROOT } from "../model/paths.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import type { Znode } from "./entry.ts";
import { type Happened, happened, type State, statesOf } from "./happened.ts";
import { TreeIndex } from "./tree_index.ts";
import { walkTree } from "./tree_walk.ts";
import { isZooKeeperError, type Session, type WatchEvent, ZooKeeperError } from "./types.ts";
import type { View, ViewChange } from "./view.ts";
import { createViewTelemetry, type ViewTelemetry } from "./view_telemetry.ts";
import { ViewWaiters } from "./view_waiters.ts";

/** Groups of events being read at once; while there are more, events gather, and those of one path become one. */
const GROUPS_AT_ONCE = 8;
const RETRY_MS = 1000;

/** Opens the view of a session. Returns at once; {@link View.ready} waits for the first full read. */
export function openView(session: Session, logger: Logger, clock: Clock = systemClock): View {
  return new TreeView(session, logger, clock);
}

class TreeView implements View {
  readonly #session: Session;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #index: TreeIndex;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  readonly #currentListeners = new Set<(current: boolean) => void>();
  readonly #waiters = new ViewWaiters();
  readonly #stopState: () => void;
  readonly #running: Promise<void>;
  readonly #telemetry: ViewTelemetry;
  #stopWatch: () => void = () => {};
  #current = false;
  /** Counts the connections and walks: what was begun in an earlier one is dropped. */
  #generation = 0;
  #walking = true;
  /** Paths that something has happened to since the last read, with the last of it: one read for each, however many. */
  #incoming = new Map<string, Happened>();
  /** The same of those that are being read. */
  readonly #reading = new Set<ReadonlyMap<string, Happened>>();
  #received = 0;
  #applied = 0;
  #flushScheduled = false;
  #lastGroup: Promise<void> = Promise.resolve();

  constructor(session: Session, logger: Logger, clock: Clock) {
    this.#session = session;
    this.#logger = logger;
    this.#clock = clock;
    this.#index = new TreeIndex((problem) => logger.warn("a document cannot be read", { problem }));
    this.#telemetry = createViewTelemetry(() => ({ isCurrent: this.#current, znodes: this.#index.size }));
    this.#stopState = session.onState((state) => {
      if (state === "connected" || state === "connecting") return;
      this.#generation += 1;
      this.#setCurrent(false);
      if (state === "closed") void this.close();
    });
    this.#running = this.#start();
  }

  get current(): boolean {
    return this.#current;
  }

  node = (id: string) => this.#index.nodes.get(id);
  nodes = () => this.#index.nodes.values();
  request = (id: string) => this.#index.requests.get(id);
  requests = () => this.#index.requests.values();
  image = (name: string) => this.#index.image(name);
  images = () => this.#index.images();
  pools = () => this.#index.pools.values();
  components = () => this.#index.components.values();
  claimMarks = (scope: string) => this.#index.claimMarks(scope);
  orphanedRequestLocks = () => this.#index.orphanedRequestLocks();

  subscribe(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onCurrent(listener: (current: boolean) => void): () => void {
    this.#currentListeners.add(listener);
    return () => this.#currentListeners.delete(listener);
  }

  settled(): Promise<void> {
    return this.#waitFor(this.#received);
  }

  isPending(path: string): boolean {
    return this.#incoming.has(path) || [...this.#reading].some((events) => events.has(path));
  }

  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#waitFor(0, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#generation += 1;
    this.#stopState();
    this.#stopWatch();
    this.#telemetry.stop();
    this.#setCurrent(false);
    this.#waiters.fail(closedError());
    await this.#running;
  }

  #waitFor(target: number, signal?: AbortSignal): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    if (this.#current && this.#applied >= target) return Promise.resolve();
    return this.#waiters.wait(target, signal);
  }

  async #start(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      try {
        await this.#session.connected(closing);
        await this.#session.ensurePath(ROOT);
        this.#stopWatch = await this.#session.watchRecursive(
          ROOT,
          (event) => this.#receive(event),
          () => void this.#readAll(),
        );
        if (closing.aborted) this.#stopWatch();
        else await this.#readAll();
        return;
      } catch (error) {
        await this.#waitAfter(error, "the tree cannot be watched");
      }
    }
  }

  #receive(event: WatchEvent): void {
    this.#incoming.set(event.path, happened(this.#session, event));
    this.#received += 1;
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#walking || this.#incoming.size === 0) return;
    this.#flushScheduled = true;
    // What one packet from the server brings has been received by then.
    queueMicrotask(() => {
      this.#flushScheduled = false;
      if (!this.#walking && this.#reading.size < GROUPS_AT_ONCE) this.#flush();
    });
  }

  /** Reads what the events so far are about and applies it behind the groups before. */
  #flush(): void {
    const events = this.#incoming;
    this.#incoming = new Map();
    const [generation, seen, heardAt] = [this.#generation, this.#received, this.#clock.now()];
    this.#reading.add(events);
    const reading = statesOf(this.#session, events);
    reading.catch(() => undefined);
    this.#lastGroup = this.#lastGroup
      .then(async () => {
        const states = await reading;
        if (generation !== this.#generation) return;
        this.#reading.delete(events);
        this.#apply(
          states.filter((state) => !this.#isOld(state)),
          seen,
        );
        this.#telemetry.applied(this.#clock.now() - heardAt);
      })
      .catch((error: unknown) => {
        if (generation !== this.#generation) return;
        this.#logger.warn("a change of the tree could not be read", { error: messageOf(error) });
        void this.#readAll();
      })
      .finally(() => {
        this.#reading.delete(events);
        this.#scheduleFlush();
      });
  }

  /** Whether something newer is shown: an earlier read saw further. (Locks are not read.) */
  #isOld([path, znode]: State): boolean {
    return znode !== undefined && znode !== null && this.#index.showsNewer(path, znode);
  }

  #apply(states: Iterable<State>, seen: number): void {
    const changes = new Map<string, ViewChange>();
    for (const [path, state] of states) {
      const change = state === undefined ? this.#index.remove(path) : this.#index.put(path, state);
      if (change !== undefined) changes.set(`${change.kind}/${change.id}`, change);
    }
    this.#applied = Math.max(this.#applied, seen);
    for (const change of changes.values()) this.#tell(this.#listeners, change);
    if (this.#current) this.#waiters.wake(this.#applied);
  }

  /** Walks the whole tree and takes over what differs; repeated until it succeeds or is overtaken. */
  async #readAll(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    const overtaken = () => generation !== this.#generation;
    this.#setCurrent(false);
    while (!overtaken()) {
      this.#walking = true;
      this.#incoming.clear();
      const [seen, begunAt] = [this.#received, this.#clock.now()];
      try {
        const found = await walkTree(this.#session, ROOT);
        if (overtaken()) return;
        this.#walking = false;
        this.#telemetry.walked(this.#clock.now() - begunAt);
        await this.#takeOver(found, seen, overtaken);
        return;
      } catch (error) {
        if (!overtaken()) await this.#waitAfter(error, "the tree cannot be read");
      }
    }
  }

  async #takeOver(found: Map<string, Znode | null>, seen: number, overtaken: () => boolean): Promise<void> {
    const gone = [...this.#index.paths()].filter((path) => !found.has(path));
    this.#apply([...gone.map((path) => [path, undefined] as const), ...found], seen);
    // What happened during the walk comes on top of it before the view calls itself current.
    if (this.#incoming.size > 0) {
      this.#flush();
      await this.#lastGroup;
    }
    if (overtaken()) return;
    this.#logger.info("the tree has been read", { znodes: found.size });
    this.#setCurrent(true);
    this.#waiters.wake(this.#applied);
  }

  /** After a lost connection the next one sets the watch anew; other errors are given some time to pass. */
  async #waitAfter(error: unknown, message: string): Promise<void> {
    if (isZooKeeperError(error, "CLOSED")) this.#closing.abort();
    if (this.#closing.signal.aborted) return;
    this.#logger.warn(message, { error: messageOf(error) });
    await this.#clock.sleep(RETRY_MS, this.#closing.signal).catch(() => undefined);
  }

  #setCurrent(current: boolean): void {
    if (this.#current === current) return;
    this.#current = current;
    this.#tell(this.#currentListeners, current);
  }

  #tell<T>(listeners: Iterable<(value: T) => void>, value: T): void {
    for (const listener of [...listeners]) {
      try {
        listener(value);
      } catch (error) {
        this.#logger.error("a listener to the tree failed", { error: messageOf(error) });
      }
    }
  }
}

function closedError(): ZooKeeperError {
  return new ZooKeeperError("CLOSED", "the view of the tree was closed");
}
