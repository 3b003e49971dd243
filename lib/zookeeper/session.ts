// The calls of a ZooKeeper session, with the chroot put before each path and taken off each answer.
//
// Invariant S5: recursive watches are set anew on each connection before any call is made on it, and then their
// `onReset` is called. (S1-S4 are the link's.)
import { messageOf } from "../std/errors.ts";
import type { ServerAddress } from "./connection.ts";
import type { Credentials } from "./handshake.ts";
import { leftByTransaction, OwnWrites } from "./own_writes.ts";
import { type LinkOptions, SessionLink } from "./session_link.ts";
import { TransactionGroups } from "./transaction_groups.ts";
import { deleteRecursive, ensurePath } from "./tree_operations.ts";
import {
  isUncertain,
  isZooKeeperError,
  type Operation,
  type OperationResult,
  type Session,
  type SessionState,
  type Stat,
  TransactionError,
  type WatchEvent,
  type WideCreateMode,
  type WrittenPaths,
} from "./types.ts";
import { type RecursiveWatch, Watches } from "./watches.ts";
import { type Request, requests } from "./wire.ts";
import { transactionResults } from "./write_records.ts";

export interface SessionOptions extends LinkOptions {
  /** Put before every path, as `/zuul`. {@link Session.ensurePath} creates it. @default "" */
  readonly chroot?: string | undefined;
}

/** Opens a session. Returns at once and connects in the background; {@link Session.connected} waits for it. */
export function connectSession(options: SessionOptions): ZooKeeperSession {
  return new ZooKeeperSession(options);
}

export class ZooKeeperSession implements Session {
  readonly #chroot: string;
  readonly #link: SessionLink;
  readonly #watches: Watches;
  readonly #own = new OwnWrites();
  readonly #groups = new TransactionGroups(
    (operations) => this.#commit(operations),
    () => this.signal,
  );

  constructor(options: SessionOptions) {
    this.#chroot = (options.chroot ?? "").replace(/\/+$/, "");
    this.#watches = new Watches((error) => {
      options.logger.error("a watch listener failed", { error: messageOf(error) });
    });
    this.#link = new SessionLink(options, {
      watchedPaths: () => this.#watches.recursivePaths.map((path) => this.#full(path)),
      onWatchesSet: (paths) => {
        for (const path of paths) this.#watches.reset(this.#strip(path));
      },
      onInterrupted: () => this.#watches.wakeAll(),
      onEvent: ({ kind, path }) => this.#watches.dispatch({ kind, path: this.#strip(path) }),
    });
  }

  get state(): SessionState {
    return this.#link.state;
  }

  get sessionId(): bigint {
    return this.#link.credentials.sessionId;
  }

  get signal(): AbortSignal {
    return this.#link.signal;
  }

  /** What lets another connection take this session over. For tests that end it from outside; never log it. */
  get credentials(): Credentials {
    return this.#link.credentials;
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#link.onState(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    return this.#link.connected(signal);
  }

  async create(path: string, data: Uint8Array, mode: WideCreateMode): Promise<string> {
    return this.#strip((await this.#call(requests.create(this.#full(path), data, mode))).path);
  }

  /** Creates the chroot too, so this works on the server's own paths. */
  ensurePath(path: string): Promise<void> {
    const calls = {
      create: async (at: string, data: Uint8Array, mode: WideCreateMode) => {
        return (await this.#call(requests.create(at, data, mode))).path;
      },
      exists: (at: string) => this.#call(requests.exists(at)).catch(nullWhenMissing),
    };
    return ensurePath(calls, this.#full(path));
  }

  get(path: string): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#call(requests.get(this.#full(path)));
  }

  exists(path: string): Promise<Stat | null> {
    return this.#call(requests.exists(this.#full(path))).catch(nullWhenMissing);
  }

  children(path: string): Promise<string[]> {
    return this.#call(requests.children(this.#full(path)));
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    const request = requests.set(this.#full(path), data, version);
    return this.#write(path, request, (stat) => new Map([[path, { data, stat }]]));
  }

  delete(path: string, version: number): Promise<void> {
    return this.#call(requests.delete(this.#full(path), version));
  }

  deleteRecursive(path: string): Promise<void> {
    return deleteRecursive(this, path);
  }

  async multi(operations: readonly Operation[]): Promise<OperationResult[]> {
    if (operations.length === 0) return [];
    return await this.#link.observe("multi", undefined, () => this.#groups.commit(operations));
  }

  written(path: string): Promise<WrittenPaths> | undefined {
    return this.#own.at(path);
  }

  sync(path: string): Promise<void> {
    return this.#call(requests.sync(this.#full(path)));
  }

  async gone(path: string, signal?: AbortSignal): Promise<void> {
    const session = this.signal;
    while (true) {
      await this.connected(signal);
      if (session.aborted) throw session.reason;
      const wait = this.#nextEvent(path, signal);
      let isWatched = false;
      try {
        // Not `exists`: its watch would stay on the server when there is no such znode.
        const znode = await this.#call(requests.get(this.#full(path), true)).catch(nullWhenMissing);
        if (znode === null) return;
        isWatched = true;
        const event = await wait.next();
        if (event?.kind === "deleted") return;
      } catch (error) {
        if (!isZooKeeperError(error, "CONNECTION_LOSS")) throw error;
      } finally {
        const isLast = wait.stop();
        if (isWatched && isLast) void this.#removeWatches(path, "data");
      }
    }
  }

  async watchRecursive(
    path: string,
    listener: (event: WatchEvent) => void,
    onReset: () => void,
  ): Promise<() => void> {
    const watch: RecursiveWatch = { path, listener, onReset };
    this.#watches.addRecursive(watch);
    try {
      await this.#call(requests.addWatch(this.#full(path)));
    } catch (error) {
      this.#watches.removeRecursive(watch);
      throw error;
    }
    return () => {
      if (!this.#watches.removeRecursive(watch)) return;
      // The server takes away every watch that we have there, so those who wait for one event look again.
      void this.#removeWatches(path, "any").then(() => this.#watches.wake(path));
    };
  }

  /** Goes on with other servers, without a break when the present one is among them. */
  useServers(servers: readonly ServerAddress[]): void {
    this.#link.useServers(servers);
  }

  close(): Promise<void> {
    this.#groups.flush();
    return this.#link.close();
  }

  /** Each call comes after the transactions that were asked for before it. */
  #call<T>(request: Request<T>): Promise<T> {
    this.#groups.flush();
    return this.#link.call(request);
  }

  #write<T>(path: string, request: Request<T>, left: (answer: T) => WrittenPaths): Promise<T> {
    // Own writes are noted in the order in which they are sent.
    this.#groups.flush();
    return this.#own.call([path], request, (own) => this.#link.call(own), left);
  }

  async #commit(operations: readonly Operation[]): Promise<OperationResult[]> {
    const [step] = operations;
    if (operations.length === 1 && step?.kind === "create") return [await this.#commitCreation(step)];
    const strip = (path: string) => this.#strip(path);
    const answers = await this.#own.call(
      operations.map(({ path }) => path),
      requests.multi(operations, (path) => this.#full(path)),
      (own) => this.#link.send(own),
      (results) => leftByTransaction(operations, results, strip),
    );
    return transactionResults(operations, answers, strip);
  }

  /** A transaction of one creation. As a creation of its own it is answered with the stat, as a transaction it is not. */
  async #commitCreation(step: Operation & { kind: "create" }): Promise<OperationResult> {
    const { path, data, mode } = step;
    try {
      const created = await this.#own.call(
        [path],
        requests.create(this.#full(path), data, mode),
        (own) => this.#link.send(own),
        (answer) => new Map([[this.#strip(answer.path), { data, stat: answer.stat }]]),
      );
      return { kind: "create", path: this.#strip(created.path) };
    } catch (error) {
      const code = isZooKeeperError(error) ? error.code : null;
      throw code === null || isUncertain(error) ? error : new TransactionError(code, 0, step);
    }
  }

  /** A watch that has fired meanwhile, or went with its connection, is none to remove: that is as good. */
  async #removeWatches(path: string, kind: "data" | "any"): Promise<void> {
    if (this.state !== "connected") return;
    await this.#call(requests.removeWatches(this.#full(path), kind)).catch(() => undefined);
  }

  /**
   * Waits from now on for the next event of a path, until the connection breaks or the signal is aborted. `next` gives
   * the event when there is one, unless it came before `next` was called: it may be older than what was read meanwhile.
   * `stop` tells whether there was no event and nobody else waits for one.
   */
  #nextEvent(path: string, signal: AbortSignal | undefined) {
    const { promise, resolve } = Promise.withResolvers<WatchEvent | undefined>();
    let isAwaited = false;
    const wake = (event?: WatchEvent) => resolve(isAwaited ? event : undefined);
    const abort = () => wake();
    const forget = this.#watches.once(path, wake);
    signal?.addEventListener("abort", abort, { once: true });
    // A signal that is aborted already calls nobody.
    if (signal?.aborted) abort();
    const next = () => {
      isAwaited = true;
      return promise;
    };
    const stop = () => {
      signal?.removeEventListener("abort", abort);
      return forget();
    };
    return { next, stop };
  }

  #full(path: string): string {
    return path === "/" && this.#chroot !== "" ? this.#chroot : this.#chroot + path;
  }

  #strip(path: string): string {
    return path === this.#chroot ? "/" : path.slice(this.#chroot.length);
  }
}

function nullWhenMissing(error: unknown): null {
  if (isZooKeeperError(error, "NO_NODE")) return null;
  throw error;
}
