// Keeps one session alive over many connections: connects, reconnects, and begins anew when the server has ended it.
//
// Invariants:
//   S1. A call made without a connection waits for one, at most one session timeout, and then fails with
//       CONNECTION_LOSS (nothing was sent). Calls in flight fail with CONNECTION_LOSS as soon as the connection
//       breaks (they may have been done), and all with SESSION_EXPIRED when the session is found to be lost.
//   S2. `signal` belongs to one session. It is aborted before any call is made in the next one.
//   S3. Only the server declares a session lost: it refuses our id, or answers with another one. But see S4.
//   S4. Servers refuse who has seen a later state than theirs, which keeps us from going back. After a session timeout
//       without a connection we tell none that we have: a server that lags behind has caught up by then, or serves no
//       more, but one that was set back to a backup would refuse us for ever. Such a server may still know our session,
//       with contenders that we have given back and without those that we have: so a session that it takes back then
//       is ended.
import type { Buffer } from "node:buffer";
import { atMost } from "../std/at_most.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { CallQueue } from "./call_queue.ts";
import {
  Connection,
  HandshakeTimeoutError,
  placeOf,
  type ServerAddress,
  type TlsFiles,
} from "./connection.ts";
import { type Credentials, encodeHandshake, NEW_SESSION } from "./handshake.ts";
import { type Identity, Preamble } from "./preamble.ts";
import { ServerRotation } from "./server_rotation.ts";
import { closedError, SessionStates } from "./session_states.ts";
import { createSessionTelemetry, type SessionTelemetry } from "./session_telemetry.ts";
import { type SessionState, type WatchEvent, ZooKeeperError } from "./types.ts";
import {
  decodeEvent,
  decodeReply,
  NOTIFICATION_XID,
  PING_XID,
  type Request,
  requests,
  xidOf,
} from "./wire.ts";

export interface LinkOptions {
  readonly servers: readonly ServerAddress[];
  readonly tls?: TlsFiles | null | undefined;
  /** What to ask for; the server may answer with another within its own limits. */
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  /** Who we are to a server that guards its znodes; told on each connection. @default nobody */
  readonly identities?: readonly Identity[] | undefined;
}

/** What the session above has to do at the turns of the link's life. */
export interface LinkHandlers {
  /** Paths, the server's own, whose recursive watches a new connection must have. */
  readonly watchedPaths: () => readonly string[];
  /** These watches stand again: what happened since the connection before is unknown. */
  readonly onWatchesSet: (paths: readonly string[]) => void;
  /** The connection or the session is gone. */
  readonly onInterrupted: () => void;
  /** A watch event, with the server's own path. */
  readonly onEvent: (event: WatchEvent) => void;
}

export class SessionLink {
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers: ServerRotation;
  readonly #calls: CallQueue;
  readonly #telemetry: SessionTelemetry;
  readonly #states: SessionStates;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #credentials: Credentials = NEW_SESSION;
  #lastZxid = 0n;
  /** Whether the last transaction that we had seen in this session is not told any more. */
  #isForgotten = false;
  #timeoutMs: number;
  #cancelForgetting = () => {};
  #controller = new AbortController();
  #connection: Connection | undefined;
  #preamble: Preamble | undefined;

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger;
    this.#timeoutMs = options.sessionTimeoutMs;
    this.#states = new SessionStates(options.logger);
    this.#servers = new ServerRotation(options.servers, options.random ?? Math.random);
    this.#calls = new CallQueue({ clock: this.#clock, patienceMs: options.sessionTimeoutMs });
    this.#telemetry = createSessionTelemetry(this.#clock, () => ({
      isConnected: this.state === "connected",
      inFlight: this.#calls.inFlight,
      waiting: this.#calls.waiting,
    }));
    this.#running = this.#run();
  }

  get state(): SessionState {
    return this.#states.current;
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#states.onChange(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    return this.#states.connected(signal);
  }

  /** Makes a call that is observed. */
  call<T>(request: Request<T>): Promise<T> {
    return this.observe(request.name, request.path, () => this.send(request));
  }

  /** Makes a call for which its callers have each called {@link observe}. */
  send<T>(request: Request<T>): Promise<T> {
    return this.state === "closed" ? Promise.reject(closedError()) : this.#calls.call(request);
  }

  /** Measures what is a call to its caller. */
  observe<T>(operation: string, path: string | undefined, call: () => Promise<T>): Promise<T> {
    return this.#telemetry.observe(operation, path, call);
  }

  /** Goes on with other servers; the connection is given up when its server is not among them. */
  useServers(servers: readonly ServerAddress[]): void {
    this.#servers.replace(servers);
    const current = this.#connection?.server;
    if (current === undefined || this.#servers.has(current)) return;
    this.#connection?.end(new Error("this server is not in the list any more"));
  }

  /** Without a connection nobody can be told: then the ephemerals stay until the server ends the session. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#running;
    const connected = this.state === "connected";
    this.#closing.abort(closedError());
    this.#states.change("closed");
    this.#controller.abort(closedError());
    this.#cancelForgetting();
    this.#calls.fail("CLOSED", "the session was closed");
    if (connected) await this.#sayGoodbye();
    this.#connection?.end(closedError());
    this.#handlers.onInterrupted();
    this.#telemetry.stop();
    await this.#running;
  }

  /** The server answers and then closes the connection; whichever comes first will do. */
  async #sayGoodbye(): Promise<void> {
    const answer = this.#calls.call(requests.closeSession()).catch(() => undefined);
    await atMost(this.#clock, this.#options.sessionTimeoutMs / 3, answer);
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const { server, delayMs } = this.#servers.next();
      if (delayMs > 0) await this.#clock.sleep(delayMs, closing).catch(() => undefined);
      if (closing.aborted) break;
      const reason = await this.#serve(server);
      this.#connection = undefined;
      if (!closing.aborted) this.#disconnected(server, reason);
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
          openTimeoutMs: this.#servers.handshakeLimit(sessionTimeoutMs),
          clock: this.#clock,
        },
        {
          onOpen: (handshake) => this.#opened(connection, server, handshake),
          onFrame: (frame) => this.#receive(frame),
          onTick: () => {
            this.#preamble?.tick();
            this.#calls.tick();
          },
          onEnd: (reason) => {
            if (reason instanceof HandshakeTimeoutError) this.#servers.unanswered();
            resolve(reason);
          },
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
    const { sessionId, password, timeoutMs } = handshake;
    const { sessionId: own } = this.#credentials;
    const mayBeSetBack = own !== 0n && this.#isForgotten;
    if (own !== 0n && (timeoutMs <= 0 || sessionId !== own || mayBeSetBack)) this.#lost();
    if (timeoutMs <= 0) {
      this.#servers.succeeded();
      connection.end(new ZooKeeperError("SESSION_EXPIRED", "the server has ended the session"));
      return;
    }
    if (mayBeSetBack && sessionId === own) {
      this.#servers.succeeded();
      this.#preamble = Preamble.farewell(() => connection.end(new Error("the session was ended")));
      this.#preamble.begin((frame) => connection.send(frame));
      return;
    }
    this.#credentials = { sessionId, password };
    this.#timeoutMs = timeoutMs;
    const paths = this.#handlers.watchedPaths();
    const told = this.#lastZxid;
    const preamble = new Preamble(this.#options.identities ?? [], paths, told, () => {
      this.#preamble = undefined;
      this.#remember(told);
      this.#servers.succeeded();
      this.#logger.info("connected to zookeeper", {
        server: placeOf(server),
        session: sessionId.toString(16),
        timeout_ms: timeoutMs,
      });
      this.#telemetry.connected(placeOf(server));
      this.#states.change("connected");
      this.#calls.attach((frame) => connection.send(frame));
      this.#handlers.onWatchesSet(paths);
    });
    this.#preamble = preamble;
    preamble.begin((frame) => connection.send(frame));
  }

  #receive(frame: Buffer): void {
    const xid = xidOf(frame);
    if (xid === PING_XID) return;
    if (xid === NOTIFICATION_XID) {
      const event = decodeEvent(frame);
      if (event !== undefined) this.#handlers.onEvent(event);
      return;
    }
    if (this.#preamble !== undefined) {
      this.#preamble.receive(xid, decodeReply(frame).error);
      return;
    }
    const zxid = this.#calls.settle(frame);
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
  }

  #disconnected(server: ServerAddress, reason: Error): void {
    const place = placeOf(server);
    this.#preamble = undefined;
    this.#calls.detach(`${place}: ${messageOf(reason)}`);
    const fields = { server: place, error: messageOf(reason), attempts: this.#servers.failures };
    if (this.state === "connected") {
      this.#logger.warn("zookeeper connection lost", fields);
      this.#cancelForgetting = this.#clock.after(this.#timeoutMs, () => {
        this.#lastZxid = 0n;
        this.#isForgotten = true;
      });
      this.#states.change("suspended");
    } else if (this.#servers.failures % 10 === 1) {
      this.#logger.warn("no connection to zookeeper", fields);
    }
    this.#handlers.onInterrupted();
  }

  /** This was seen in the present session, and is told at the next connection. */
  #remember(lastZxid: bigint): void {
    this.#cancelForgetting();
    this.#isForgotten = false;
    this.#lastZxid = lastZxid;
  }

  #lost(): void {
    this.#logger.warn("zookeeper session lost", { session: this.#credentials.sessionId.toString(16) });
    this.#telemetry.lost();
    this.#credentials = NEW_SESSION;
    // A new session may begin on servers that were set back (S4).
    this.#remember(0n);
    this.#controller.abort(new ZooKeeperError("SESSION_EXPIRED", "the ZooKeeper session was lost"));
    this.#states.change("lost");
    this.#calls.fail("SESSION_EXPIRED", "the session was lost");
    this.#handlers.onInterrupted();
    this.#controller = new AbortController();
    this.#states.change("connecting");
  }
}
