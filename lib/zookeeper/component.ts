// Keeps one of this process's components registered below /nodepool/components.
//
// Invariants:
//   R1. While the session lives there is one znode of ours, found again by its owner and data when the answer to its
//       creation was lost; after the session was lost there is a new one.
//   R2. What it says is the last record given; records given faster than they can be written are skipped.
import { type ComponentRecord, encodeComponent, encodePool, type PoolRecord } from "../model/component.ts";
import { componentsPath } from "../model/paths.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { afterAllWrites } from "./settle.ts";
import { throughOutages } from "./through_outages.ts";
import { isUncertain, isZooKeeperError, type Session, ZooKeeperError } from "./types.ts";
import { nameOf } from "./znode_path.ts";

const RETRY_MS = 1000;

/** A component of this process, registered. */
export interface Registration<Rec> {
  /** The znode's name, as host0000000003; null while it is not registered. */
  readonly znode: string | null;
  /** Resolves with the znode's name when it is registered. @throws {ZooKeeperError} `CLOSED` */
  registered(): Promise<string>;
  /** Changes what it says. Resolves at once; written in the background, again and again until it is. */
  update(record: Rec): void;
  /** Resolves when it says what was given last, or was taken out. */
  written(): Promise<void>;
  /** Takes it out of the registry. */
  close(): Promise<void>;
}

/** Registers a builder, a launcher or one of its pools. Returns at once and goes on in the background. */
export function registerComponent<Rec extends ComponentRecord | PoolRecord>(
  session: Session,
  record: Rec,
  options: { logger: Logger; clock?: Clock },
): Registration<Rec> {
  return new KeptRegistration<Rec>(session, record, options.logger, options.clock ?? systemClock);
}

class KeptRegistration<Rec extends ComponentRecord | PoolRecord> implements Registration<Rec> {
  readonly #session: Session;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<{ resolve: (znode: string) => void; reject: (error: unknown) => void }>();
  readonly #stopState: () => void;
  #record: Rec;
  /** The znode that we know of, with its version; it is ours only in the session that `signal` belongs to. */
  #own: { path: string; version: number; written: Rec; signal: AbortSignal } | undefined;
  /** A creation whose answer was lost: unless it has been looked for, there may be a znode that we do not know of. */
  #unanswered: { record: Rec; signal: AbortSignal } | undefined;
  #working: Promise<void> | undefined;

  constructor(session: Session, record: Rec, logger: Logger, clock: Clock) {
    this.#session = session;
    this.#record = record;
    this.#logger = logger;
    this.#clock = clock;
    this.#stopState = session.onState((state) => {
      if (state === "connected") this.#work();
      if (state === "closed") void this.close();
    });
    this.#work();
  }

  get znode(): string | null {
    const own = this.#own;
    return own === undefined || own.signal.aborted ? null : nameOf(own.path);
  }

  registered(): Promise<string> {
    if (this.znode !== null) return Promise.resolve(this.znode);
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    return new Promise((resolve, reject) => this.#waiting.add({ resolve, reject }));
  }

  update(record: Rec): void {
    this.#record = record;
    this.#work();
  }

  async written(): Promise<void> {
    while (!this.#closing.signal.aborted && !this.#done()) {
      if (this.#working === undefined) this.#work();
      await this.#working;
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#working;
    this.#closing.abort(closedError());
    this.#stopState();
    for (const { reject } of this.#waiting) reject(closedError());
    this.#waiting.clear();
    await this.#working;
    const ended = this.#own?.signal ?? this.#unanswered?.signal;
    if (ended === undefined || ended.aborted) return;
    try {
      await this.#takeOut();
    } catch (error) {
      if (isZooKeeperError(error, "CLOSED", "SESSION_EXPIRED")) return;
      this.#logger.warn("a component could not be taken out of the registry", { error: messageOf(error) });
      // The session may live on, and others would rely on what it has registered.
      throughOutages(this.#session, this.#clock, () => this.#takeOut(), ended).catch(() => undefined);
    }
  }

  async #takeOut(): Promise<void> {
    await this.#findUnanswered();
    const own = this.#own;
    if (own === undefined || own.signal.aborted) return;
    await this.#session.delete(own.path, -1).catch(nothingWhenMissing);
    this.#own = undefined;
  }

  /** Starts writing what is to be written, unless that is under way: then it looks again when it is through. */
  #work(): void {
    if (this.#closing.signal.aborted) return;
    this.#working ??= this.#converge().finally(() => {
      this.#working = undefined;
      if (!this.#done()) this.#work();
    });
  }

  #done(): boolean {
    const own = this.#own;
    return own !== undefined && !own.signal.aborted && own.written === this.#record;
  }

  async #converge(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted && !this.#done()) {
      try {
        await this.#session.connected(closing);
        if (this.znode === null) await this.#create();
        else await this.#write();
      } catch (error) {
        if (closing.aborted) return;
        if (isZooKeeperError(error, "NO_NODE")) this.#own = undefined;
        if (isZooKeeperError(error, "NO_NODE", "SESSION_EXPIRED")) continue;
        if (isZooKeeperError(error, "CONNECTION_LOSS") && this.#unanswered !== undefined) continue;
        this.#logger.warn("a component could not be registered", { error: messageOf(error) });
        await this.#clock.sleep(RETRY_MS, closing).catch(() => undefined);
      }
    }
  }

  async #create(): Promise<void> {
    if (await this.#findUnanswered()) return;
    const record = this.#record;
    const { signal } = this.#session;
    const parent = componentsPath(record.kind);
    await this.#session.ensurePath(parent);
    this.#unanswered = { record, signal };
    try {
      const path = `${parent}/${record.hostname ?? ""}`;
      this.#take(await this.#session.create(path, encode(record), "ephemeral-sequential"), record, signal);
    } catch (error) {
      if (!isUncertain(error)) this.#unanswered = undefined;
      throw error;
    }
  }

  #take(path: string, record: Rec, signal: AbortSignal): void {
    this.#unanswered = undefined;
    this.#own = { path, version: 0, written: record, signal };
    const name = nameOf(path);
    for (const { resolve } of this.#waiting) resolve(name);
    this.#waiting.clear();
  }

  /** Looks whether a creation without an answer was done in this session, and takes what it has left. */
  async #findUnanswered(): Promise<boolean> {
    const lost = this.#unanswered;
    // With the session before it has gone.
    if (lost === undefined || lost.signal.aborted) return false;
    const { record, signal } = lost;
    const path = await this.#find(componentsPath(record.kind), encode(record));
    if (path === undefined) this.#unanswered = undefined;
    else this.#take(path, record, signal);
    return path !== undefined;
  }

  /** A component of this session that says exactly this. */
  async #find(parent: string, data: Uint8Array): Promise<string | undefined> {
    // What was sent through a server that is gone may still be on its way.
    await afterAllWrites(this.#session);
    for (const name of await this.#session.children(parent).catch(nothingWhenMissing)) {
      const found = await this.#session.get(`${parent}/${name}`).catch(nothingWhenMissing);
      if (!("stat" in found) || found.stat.ephemeralOwner !== this.#session.sessionId) continue;
      if (text(found.data) === text(data)) return `${parent}/${name}`;
    }
    return undefined;
  }

  async #write(): Promise<void> {
    const own = this.#own;
    if (own === undefined) return;
    const record = this.#record;
    try {
      own.version = (await this.#session.set(own.path, encode(record), own.version)).version;
    } catch (error) {
      if (!isZooKeeperError(error, "BAD_VERSION", "CONNECTION_LOSS")) throw error;
      // An earlier write of ours whose answer was lost, or not; nobody else writes here.
      const stat = await this.#session.exists(own.path);
      if (stat === null) throw new ZooKeeperError("NO_NODE", "the component's znode is gone", own.path);
      own.version = stat.version;
      return;
    }
    own.written = record;
  }
}

function encode(record: ComponentRecord | PoolRecord): Uint8Array {
  return isPool(record) ? encodePool(record) : encodeComponent(record);
}

function isPool(record: ComponentRecord | PoolRecord): record is PoolRecord {
  return record.kind === "pool";
}

function nothingWhenMissing(error: unknown): [] {
  if (isZooKeeperError(error, "NO_NODE")) return [];
  throw error;
}

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

function closedError(): ZooKeeperError {
  return new ZooKeeperError("CLOSED", "the component was taken out of the registry");
}
