// A ZooKeeper session that renews itself: connects, keeps the connection, reconnects, and starts anew after expiry.
//
// Invariants:
//   S1. A call made without a connection waits for one, at most one session timeout, and then fails with
//       CONNECTION_LOSS (nothing was sent). Calls in flight fail with CONNECTION_LOSS as soon as the connection
//       breaks (they may have been done), and all with SESSION_EXPIRED when the session is found to be lost.
//   S2. `signal` belongs to one session. It is aborted before any call is made in the next one.
//   S3. Only the server declares a session lost: it refuses our id, or answers with another one.
//   S4. Recursive watches are set anew on each connection, and then their `onReset` is called.
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { CallQueue } from "./call_queue.ts";
import { Connection, type ServerAddress, type TlsFiles } from "./connection.ts";
import { ServerRotation } from "./reconnect.ts";
import { deleteRecursive, ensurePath } from "./tree_operations.ts";
import {
  type CreateMode,
  isZooKeeperError,
  type Operation,
  type OperationResult,
  type Session,
  type SessionState,
  type Stat,
  type WatchEvent,
  ZooKeeperError,
} from "./types.ts";
import { type RecursiveWatch, Watches } from "./watches.ts";
import {
  type Credentials,
  decodeEvent,
  decodeReply,
  encodeHandshake,
  NEW_SESSION,
  NOTIFICATION_XID,
  PING_XID,
  type Request,
  requests,
  transactionResults,
} from "./wire.ts";

export interface SessionOptions {
  readonly servers: readonly ServerAddress[];
  /** Put before every path, as `/zuul`. {@link Session.ensurePath} creates it. @default "" */
  readonly chroot?: string | undefined;
  readonly tls?: TlsFiles | null | undefined;
  /** What to ask for; the server may answer with another within its own limits. */
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

/** Opens a session. Returns at once and connects in the background; {@link Session.connected} waits for it. */
export function connectSession(options: SessionOptions): ZooKeeperSession {
  return new ZooKeeperSession(options);
}

export class ZooKeeperSession implements Session {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #chroot: string;
  readonly #servers: ServerRotation;
  readonly #calls: CallQueue;
  readonly #watches: Watches;
  readonly #listeners = new Set<(state: SessionState) => void>();
  readonly #closing = new AbortController();
  #state: SessionState = "connecting";
  #credentials: Credentials = NEW_SESSION;
  #lastZxid = 0n;
  #controller = new AbortController();
  #connection: Connection | undefined;
  readonly #running: Promise<void>;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger;
    this.#chroot = (options.chroot ?? "").replace(/\/+$/, "");
    this.#servers = new ServerRotation(options.servers, options.random ?? Math.random);
    this.#calls = new CallQueue({ clock: this.#clock, patienceMs: options.sessionTimeoutMs });
    this.#watches = new Watches((error) => {
      this.#logger.error("a watch listener failed", { error: messageOf(error) });
    });
    this.#running = this.#run();
  }

  get state(): SessionState {
    return this.#state;
  }

  get sessionId(): bigint {
    return this.#credentials.sessionId;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What lets another connection take this session over. For tests that end it from outside; never log it. */
  get credentials(): Credentials {
    return this.#credentials;
  }

  onState(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (signal?.aborted) reject(signal.reason);
        else if (this.#state === "closed") reject(closedError());
        else if (this.#state === "connected") resolve();
        else return false;
        return true;
      };
      if (look()) return;
      const again = () => {
        if (!look()) return;
        stop();
        signal?.removeEventListener("abort", again);
      };
      const stop = this.onState(again);
      signal?.addEventListener("abort", again);
    });
  }

  create(path: string, data: Uint8Array, mode: CreateMode): Promise<string> {
    return this.#call(requests.create(this.#full(path), data, mode)).then((created) => this.#strip(created));
  }

  async ensurePath(path: string): Promise<void> {
    // The chroot is created too, so this works on the server's own paths.
    await ensurePath(this.#absolute, this.#full(path));
  }

  get(path: string): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#call(requests.get(this.#full(path)));
  }

  exists(path: string): Promise<Stat | null> {
    return this.#call(requests.exists(this.#full(path), false)).catch(nullWhenMissing);
  }

  children(path: string): Promise<string[]> {
    return this.#call(requests.children(this.#full(path)));
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#call(requests.set(this.#full(path), data, version));
  }

  delete(path: string, version: number): Promise<void> {
    return this.#call(requests.delete(this.#full(path), version));
  }

  deleteRecursive(path: string): Promise<void> {
    return deleteRecursive(this, path);
  }

  async multi(operations: readonly Operation[]): Promise<OperationResult[]> {
    if (operations.length === 0) return [];
    const steps = operations.map((step) => ({ ...step, path: this.#full(step.path) }));
    const results = transactionResults(operations, await this.#call(requests.multi(steps)));
    return results.map((result) =>
      result.kind === "create" ? { kind: "create", path: this.#strip(result.path) } : result,
    );
  }

  sync(path: string): Promise<void> {
    return this.#call(requests.sync(this.#full(path)));
  }

  async gone(path: string, signal?: AbortSignal): Promise<void> {
    const session = this.signal;
    while (true) {
      await this.connected(signal);
      if (session.aborted) throw session.reason;
      const wait = this.#nextEvent(path, signal, session);
      try {
        if ((await this.#call(requests.exists(this.#full(path), true)).catch(nullWhenMissing)) === null)
          return;
        await wait.event;
      } catch (error) {
        if (!isZooKeeperError(error, "CONNECTION_LOSS")) throw error;
      } finally {
        wait.stop();
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
      if (!this.#watches.removeRecursive(watch) || this.#state !== "connected") return;
      // The server takes away every watch that we have there, so those who wait for one event look again.
      void this.#call(requests.removeWatches(this.#full(path)))
        .catch(() => undefined)
        .then(() => this.#watches.wake(path));
    };
  }

  /** Without a connection nobody can be told: then the ephemerals stay until the server ends the session. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#running;
    const connected = this.#state === "connected";
    this.#closing.abort(closedError());
    this.#setState("closed");
    this.#controller.abort(closedError());
    this.#calls.fail("CLOSED", "the session was closed");
    if (connected) await this.#sayGoodbye();
    this.#connection?.end(closedError());
    this.#watches.wakeAll();
    await this.#running;
  }

  /** The server answers and then closes the connection; whichever comes first will do. */
  async #sayGoodbye(): Promise<void> {
    const waiting = new AbortController();
    const limit = this.#clock
      .sleep(this.#options.sessionTimeoutMs / 3, waiting.signal)
      .catch(() => undefined);
    const answer = this.#calls.call(requests.closeSession()).catch(() => undefined);
    await Promise.race([answer, limit]);
    waiting.abort();
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const { server, delayMs } = this.#servers.next();
      if (delayMs > 0) await this.#clock.sleep(delayMs, closing).catch(() => undefined);
      if (closing.aborted) break;
      const reason = await this.#serve(server);
      this.#connection = undefined;
      if (closing.aborted) break;
      this.#disconnected(server, reason);
    }
    this.#calls.fail("CLOSED", "the session was closed");
  }

  /** Opens one connection and resolves with the reason when it has ended. */
  #serve(server: ServerAddress): Promise<Error> {
    const { sessionTimeoutMs, tls = null } = this.#options;
    return new Promise((resolve) => {
      const connection = new Connection(
        {
          server,
          tls,
          handshake: encodeHandshake(this.#credentials, sessionTimeoutMs, this.#lastZxid),
          openTimeoutMs: Math.max(250, (sessionTimeoutMs * 2) / 3 / Math.min(3, this.#servers.size)),
          clock: this.#clock,
        },
        {
          onOpen: (handshake) => this.#opened(connection, server, handshake),
          onFrame: (frame) => this.#receive(frame),
          onTick: () => this.#calls.tick(),
          onEnd: resolve,
        },
      );
      this.#connection = connection;
    });
  }

  #opened(
    connection: Connection,
    server: ServerAddress,
    handshake: Credentials & { timeoutMs: number },
  ): void {
    this.#servers.succeeded();
    const { sessionId, password, timeoutMs } = handshake;
    if (this.sessionId !== 0n && (timeoutMs <= 0 || sessionId !== this.sessionId)) this.#lost();
    if (timeoutMs <= 0) {
      connection.end(new ZooKeeperError("SESSION_EXPIRED", "the server has ended the session"));
      return;
    }
    this.#credentials = { sessionId, password };
    this.#logger.info("connected to zookeeper", {
      server: `${server.host}:${server.port}`,
      session: sessionId.toString(16),
      timeout_ms: timeoutMs,
    });
    this.#setState("connected");
    this.#calls.attach((frame) => connection.send(frame));
    for (const path of this.#watches.recursivePaths) void this.#watchAgain(connection, path);
  }

  async #watchAgain(connection: Connection, path: string): Promise<void> {
    try {
      await this.#call(requests.addWatch(this.#full(path)));
      this.#watches.reset(path);
    } catch (error) {
      // Without its watch a copy of the tree would grow old unseen: better no connection than that.
      connection.end(new Error(`the watch of ${path} cannot be set: ${messageOf(error)}`));
    }
  }

  #receive(frame: Buffer): void {
    const { xid, bodyOffset } = decodeReply(frame);
    if (xid === PING_XID) return;
    if (xid === NOTIFICATION_XID) {
      const event = decodeEvent(frame, bodyOffset);
      if (event !== undefined) this.#watches.dispatch({ kind: event.kind, path: this.#strip(event.path) });
      return;
    }
    const zxid = this.#calls.settle(frame);
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
  }

  #disconnected(server: ServerAddress, reason: Error): void {
    const place = `${server.host}:${server.port}`;
    this.#calls.detach(`${place}: ${messageOf(reason)}`);
    const fields = { server: place, error: messageOf(reason), attempts: this.#servers.failures };
    if (this.#state === "connected") {
      this.#logger.warn("zookeeper connection lost", fields);
      this.#setState("suspended");
    } else if (this.#servers.failures % 10 === 1) {
      this.#logger.warn("no connection to zookeeper", fields);
    }
    this.#watches.wakeAll();
  }

  #lost(): void {
    const error = new ZooKeeperError("SESSION_EXPIRED", "the ZooKeeper session was lost");
    this.#logger.warn("zookeeper session lost", { session: this.sessionId.toString(16) });
    const ended = this.#controller;
    this.#credentials = NEW_SESSION;
    // A new session may begin on servers that were set back to an older state; they refuse who has seen a later one.
    this.#lastZxid = 0n;
    ended.abort(error);
    this.#setState("lost");
    this.#calls.fail("SESSION_EXPIRED", "the session was lost");
    this.#watches.wakeAll();
    this.#controller = new AbortController();
    this.#setState("connecting");
  }

  #setState(state: SessionState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#logger.error("a session listener failed", { state, error: messageOf(error) });
      }
    }
  }

  #call<T>(request: Request<T>): Promise<T> {
    if (this.#state === "closed") return Promise.reject(closedError());
    return this.#calls.call(request);
  }

  #nextEvent(
    path: string,
    ...signals: (AbortSignal | undefined)[]
  ): { event: Promise<void>; stop: () => void } {
    let stop = () => {};
    const event = new Promise<void>((resolve) => {
      const forget = this.#watches.once(path, resolve);
      const wake = () => resolve();
      for (const signal of signals) signal?.addEventListener("abort", wake, { once: true });
      stop = () => {
        forget();
        for (const signal of signals) signal?.removeEventListener("abort", wake);
      };
    });
    return { event, stop };
  }

  readonly #absolute = {
    create: (path: string, data: Uint8Array, mode: CreateMode) =>
      this.#call(requests.create(path, data, mode)),
    exists: (path: string) => this.#call(requests.exists(path, false)).catch(nullWhenMissing),
  };

  #full(path: string): string {
    return path === "/" && this.#chroot !== "" ? this.#chroot : this.#chroot + path;
  }

  #strip(path: string): string {
    return path === this.#chroot ? "/" : path.slice(this.#chroot.length);
  }
}

function closedError(): ZooKeeperError {
  return new ZooKeeperError("CLOSED", "the session was closed");
}

function nullWhenMissing(error: unknown): null {
  if (isZooKeeperError(error, "NO_NODE")) return null;
  throw error;
}
