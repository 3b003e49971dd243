// Connections and sessions of a running embedded server.
import { Buffer } from "node:buffer";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { type Clock, systemClock } from "../../std/clock.ts";
import type { Logger } from "../../std/logger.ts";
import { Connection } from "./connection.ts";
import { Database } from "./database.ts";
import type { Faults } from "./faults.ts";
import { RequestHandler } from "./handler.ts";
import { Reaper } from "./reaper.ts";
import { encodeConnectReply } from "./reply.ts";
import { defaultTimeoutRange, negotiateTimeout, SessionTracker, type TimeoutRange } from "./sessions.ts";
import { answerCommand, type Status } from "./status.ts";
import type { SessionRecord } from "./transaction.ts";
import { WatchTable } from "./watches.ts";
import { Reader } from "./wire.ts";

/** How long a connection may take to say which session it wants, in milliseconds; as ZooKeeper has it. */
const handshakeTimeout = 10_000;

export interface EmbeddedServerOptions {
  /** Where the log and the snapshots are kept; made when it does not exist. One server per directory. */
  readonly dataDir: string;
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** 0 lets the system choose. @default 0 */
  readonly port?: number;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** What session timeouts clients may have. @default 2 s to 40 s */
  readonly sessionTimeouts?: TimeoutRange;
  /** Milliseconds from one look for containers and znodes whose time is over to the next. @default 60000 */
  readonly reapIntervalMs?: number;
  /** A log file grows to about this size, then comes a snapshot. @default 16 MiB */
  readonly logFileBytes?: number;
  /** For tests. */
  readonly faults?: Faults;
}

/** Connections and sessions of a running server. */
export class Service {
  readonly listener: Server;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #timeouts: TimeoutRange;
  readonly #database: Database;
  readonly #tracker: SessionTracker;
  readonly #watches = new WatchTable<Connection>();
  readonly #handler: RequestHandler;
  readonly #reaper: Reaper;
  readonly #connections = new Set<Connection>();
  readonly #bySession = new Map<bigint, Connection>();
  /** Who has no session yet, and what takes its deadline off. */
  readonly #strangers = new Map<Connection, () => void>();
  #lastSessionId: bigint;
  #packetsReceived = 0;
  #closing = false;

  constructor(options: EmbeddedServerOptions) {
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#timeouts = options.sessionTimeouts ?? defaultTimeoutRange;
    const faults = options.faults ?? {};
    this.#database = new Database({
      directory: options.dataDir,
      clock: this.#clock,
      logger: this.#logger,
      faults,
      logFileBytes: options.logFileBytes ?? 16 * 1024 * 1024,
      onDurable: () => {
        for (const connection of this.#connections) connection.release();
      },
      onRolledBack: () => this.#startOver(),
    });
    this.#tracker = new SessionTracker(this.#clock, (id) => this.#expire(id));
    this.#handler = new RequestHandler({
      database: this.#database,
      watches: this.#watches,
      faults,
      endSession: (id) => this.#commitEnd(id),
    });
    this.#reaper = new Reaper({
      clock: this.#clock,
      intervalMs: options.reapIntervalMs ?? 60_000,
      tree: () => this.#database.state.tree,
      remove: (path) => {
        this.#handler.commit({
          changes: [{ kind: "delete", path, version: -1 }],
          opened: null,
          closed: null,
        });
      },
    });
    this.#lastSessionId = 0n;
    this.#trackAll();
    this.listener = createServer((socket) => this.#accept(socket));
  }

  get durable(): number {
    return this.#database.durable;
  }

  command(word: string): string | null {
    return answerCommand(word, () => this.#status());
  }

  misbehaved(connection: Connection, reason: string): void {
    this.#logger.warn("closing a client's connection", { client: connection.remoteAddress, reason });
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#forgetStranger(connection);
    this.#watches.removeWatcher(connection);
    if (this.#bySession.get(connection.sessionId) === connection)
      this.#bySession.delete(connection.sessionId);
  }

  frame(connection: Connection, frame: Buffer): void {
    if (this.#closing) return;
    this.#packetsReceived++;
    if (connection.sessionId === 0n) {
      this.#connect(connection, frame);
    } else if (this.#bySession.get(connection.sessionId) === connection) {
      this.#tracker.touch(connection.sessionId);
      this.#handler.handle(connection, frame);
    }
  }

  /** Ends a session and its connection. */
  endSession(id: bigint): boolean {
    const connection = this.#bySession.get(id);
    const ended = this.#commitEnd(id);
    if (ended) connection?.destroy();
    return ended;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#tracker.close();
    this.#reaper.close();
    const closed = new Promise<void>((resolve) => this.listener.close(() => resolve()));
    // What was taken is written down and answered first.
    await this.#database.close();
    for (const connection of this.#connections) connection.end();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, this);
    this.#connections.add(connection);
    const end = () => {
      this.misbehaved(connection, `got no session within ${handshakeTimeout / 1000} s`);
      connection.destroy();
    };
    this.#strangers.set(connection, this.#clock.after(handshakeTimeout, end));
  }

  #forgetStranger(connection: Connection): void {
    this.#strangers.get(connection)?.();
    this.#strangers.delete(connection);
  }

  /** Answers the first frame: a new session, an old one again, or "expired". */
  #connect(connection: Connection, frame: Buffer): void {
    const reader = new Reader(frame);
    reader.int();
    const lastZxidSeen = reader.long();
    const timeout = negotiateTimeout(reader.int(), this.#timeouts);
    const sessionId = reader.long();
    const password = reader.buffer() ?? new Uint8Array(0);
    const withReadOnly = reader.remaining > 0;
    const { state } = this.#database;
    if (lastZxidSeen > BigInt(state.zxid)) {
      throw new Error(
        `has seen transaction ${lastZxidSeen}, and this server is at ${state.zxid}: ` +
          "the data directory was replaced, or the client means another server",
      );
    }
    const session = sessionId === 0n ? this.#open(timeout) : this.#reattach(sessionId, password);
    if (!session) {
      const reply = encodeConnectReply(0, 0n, Buffer.alloc(16), withReadOnly);
      connection.send(state.zxid, reply);
      connection.endAfter(state.zxid);
      return;
    }
    this.#forgetStranger(connection);
    connection.sessionId = session.id;
    this.#bySession.set(session.id, connection);
    this.#tracker.track(session.id, timeout);
    connection.send(state.zxid, encodeConnectReply(timeout, session.id, session.password, withReadOnly));
  }

  #open(timeout: number): SessionRecord {
    const fromTime = BigInt(this.#clock.now()) << 16n;
    this.#lastSessionId = fromTime > this.#lastSessionId ? fromTime : this.#lastSessionId + 1n;
    const opened: SessionRecord = { id: this.#lastSessionId, timeout, password: randomBytes(16) };
    const outcome = this.#handler.commit({ changes: [], opened, closed: null });
    if (!outcome.committed) {
      throw new Error(`gets no session: ${this.#database.failure?.message ?? "it cannot be written down"}`);
    }
    return opened;
  }

  #reattach(id: bigint, password: Uint8Array): SessionRecord | null {
    const session = this.#database.state.sessions.get(id);
    if (!session || password.length !== session.password.length) return null;
    if (!timingSafeEqual(password, session.password)) return null;
    this.#bySession.get(id)?.destroy();
    return session;
  }

  #commitEnd(id: bigint): boolean {
    const { sessions, tree } = this.#database.state;
    if (!sessions.has(id)) return false;
    const changes = tree.ephemeralsOf(id).map((path) => ({ kind: "delete", path, version: -1 }) as const);
    if (!this.#handler.commit({ changes, opened: null, closed: id }).committed) return false;
    this.#tracker.forget(id);
    this.#bySession.delete(id);
    return true;
  }

  #expire(id: bigint): void {
    this.#logger.info("session has expired", { session: `0x${id.toString(16)}` });
    // While the disk takes no writes the session lives on; it is tried again.
    if (!this.endSession(id)) this.#tracker.track(id, this.#timeouts.minimum);
  }

  /** After writes were taken back: nobody may be told of them, and all may come again. */
  #startOver(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#bySession.clear();
    this.#tracker.close();
    this.#trackAll();
  }

  #trackAll(): void {
    for (const { id, timeout } of this.#database.state.sessions.values()) {
      this.#tracker.track(id, timeout);
      if (id > this.#lastSessionId) this.#lastSessionId = id;
    }
  }

  #status(): Status {
    const { state, failure } = this.#database;
    return {
      zxid: state.zxid,
      znodes: state.tree.size,
      ephemerals: state.tree.ephemerals,
      connections: [...this.#connections].map((connection) => connection.remoteAddress),
      sessions: state.sessions.size,
      watches: this.#watches.size,
      packetsReceived: this.#packetsReceived,
      failure: failure?.message ?? null,
    };
  }
}
