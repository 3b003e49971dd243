// Kazoo's lock recipe: a lock root with ephemeral, numbered contenders; the lowest number holds the lock.
//
// Invariants:
//   L1. A contender is ours by the uuid in its name, so one whose creation was committed but not answered is found.
//   L2. Whatever ends an attempt (timeout, abort, error), our contender is deleted, and that is repeated until the
//       server has said so or the session, and with it the contender, is gone; also while the server's disk is full.
//   L3. A lock's signal is aborted when its session is lost, before a later session can answer anything. The signal
//       is for stopping early; what makes a late write impossible is `guard()` in its transaction.
import { randomUUID } from "node:crypto";
import { metrics } from "@opentelemetry/api";
import { orderContenders } from "../model/paths.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { deadline } from "../std/deadline.ts";
import { utf8 } from "../std/utf8.ts";
import { KazooLock } from "./held_lock.ts";
import { afterAllWrites } from "./settle.ts";
import { worthAnotherTry } from "./through_outages.ts";
import {
  type HeldLock,
  isUncertain,
  isZooKeeperError,
  type LockOptions,
  type Locks,
  type Operation,
  type OperationResult,
  type PreparedLock,
  type Session,
  ZooKeeperError,
} from "./types.ts";
import { nameOf, parentOf } from "./znode_path.ts";

const EMPTY = new Uint8Array();
const FIRST_NUMBER = "0000000000";

/** Locks of one session. `newUuid` and `clock` are for tests. */
export function createLocks(
  session: Session,
  newUuid: () => string = randomUUID,
  clock: Clock = systemClock,
): Locks {
  return new KazooLocks(session, newUuid, clock);
}

class KazooLocks implements Locks {
  readonly #session: Session;
  readonly #newUuid: () => string;
  readonly #clock: Clock;
  readonly #held = new Set<KazooLock>();
  readonly #waits = metrics.getMeter("nodepool.zookeeper").createHistogram("nodepool.zookeeper.lock.wait", {
    description: "How long a lock was waited for, and whether it came",
    unit: "s",
  });

  constructor(session: Session, newUuid: () => string, clock: Clock) {
    this.#session = session;
    this.#newUuid = newUuid;
    this.#clock = clock;
    session.onState((state) => {
      if (state !== "lost" && state !== "closed") return;
      for (const lock of this.#held) lock.end(lostError(lock.root));
    });
  }

  async acquire(root: string, options: LockOptions = {}): Promise<HeldLock | null> {
    const { timeout = 0, signal } = options;
    signal?.throwIfAborted();
    if (timeout <= 0) return this.#acquire(root, options, async (contender) => this.#isFirst(contender));

    const others = signal === undefined ? [] : [signal];
    const limit = deadline(this.#clock, timeout, () => TIME_IS_UP, others);
    const begunAt = this.#clock.now();
    let outcome = "none";
    try {
      await this.#session.connected(limit.signal);
      const lock = await this.#acquire(root, options, (contender) => this.#wait(contender, limit.signal));
      if (lock !== null) outcome = "taken";
      return lock;
    } catch (error) {
      if (error !== TIME_IS_UP) throw error;
      outcome = "timeout";
      return null;
    } finally {
      limit.stop();
      this.#waits.record((this.#clock.now() - begunAt) / 1000, { outcome });
    }
  }

  async #acquire(
    root: string,
    options: LockOptions,
    turn: (contender: string) => Promise<boolean>,
  ): Promise<HeldLock | null> {
    const owner = this.#session.signal;
    const contender = await this.#contend(root, options);
    if (contender === null) return null;
    try {
      if (!(await turn(contender))) {
        await this.#withdraw(contender, owner);
        // Then it went from the line with the session: whether somebody else has the lock is not known.
        if (owner.aborted) throw lostError(root);
        return null;
      }
    } catch (error) {
      await this.#withdraw(contender, owner);
      throw error;
    }
    if (owner.aborted) throw lostError(root);
    return this.#hold(root, contender, owner);
  }

  prepare(root: string, identifier = ""): PreparedLock {
    const prefix = this.#newPrefix(root);
    const line: Operation = { kind: "create", path: root, data: EMPTY, mode: "persistent" };
    return this.#prepared(root, prefix, [line, createContender(prefix, identifier)]);
  }

  succeed(root: string, identifier = ""): PreparedLock {
    // No number that ZooKeeper gives is lower, and its first one has gone to a contender with another uuid.
    const contender = `${this.#newPrefix(root)}${FIRST_NUMBER}`;
    const create = createContender(contender, identifier);
    return this.#prepared(root, contender, [{ ...create, mode: "ephemeral" }]);
  }

  #prepared(root: string, prefix: string, operations: readonly Operation[]): PreparedLock {
    const owner = this.#session.signal;
    const held = (results: readonly OperationResult[]): HeldLock => {
      const created = results.find((result) => result.kind === "create" && result.path.startsWith(prefix));
      if (created?.kind !== "create") {
        throw new ZooKeeperError("BAD_ARGUMENTS", "these results are not those of the lock's steps", root);
      }
      return this.#hold(root, created.path, owner);
    };
    return { operations, held, withdraw: () => this.#withdrawUnanswered(root, prefix) };
  }

  #hold(root: string, contender: string, owner: AbortSignal): HeldLock {
    const lock = new KazooLock(root, contender, {
      withdraw: () => this.#withdraw(contender, owner),
      forget: () => this.#held.delete(lock),
    });
    this.#held.add(lock);
    if (owner.aborted) lock.end(lostError(root));
    return lock;
  }

  #newPrefix(root: string): string {
    return `${root}/${this.#newUuid().replaceAll("-", "")}__lock__`;
  }

  /** Gets into the line; null when there is nothing to lock or, for a caller that will not wait, no chance. */
  async #contend(root: string, options: LockOptions): Promise<string | null> {
    const { identifier = "", createParents = false, timeout = 0 } = options;
    const line = await this.#line(root);
    if (timeout <= 0 && line !== null && line.length > 0) return null;
    const create = createContender(this.#newPrefix(root), identifier);
    try {
      if (line !== null) return await this.#session.create(create.path, create.data, "ephemeral-sequential");
      if (createParents) await this.#session.ensurePath(parentOf(root));
      return await this.#createWithRoot(root, create);
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) {
        // The root was deleted just now; who asked for parents asked for a lock in any case.
        return createParents ? this.#contend(root, options) : null;
      }
      if (isUncertain(error)) return this.#findAgain(root, create.path, error);
      throw error;
    }
  }

  /** One transaction instead of a refused creation followed by two. */
  async #createWithRoot(root: string, contender: Operation & { kind: "create" }): Promise<string> {
    try {
      const makeRoot: Operation = { kind: "create", path: root, data: EMPTY, mode: "persistent" };
      const [, created] = await this.#session.multi([makeRoot, contender]);
      if (created?.kind === "create") return created.path;
      throw new ZooKeeperError("MARSHALLING_ERROR", "the transaction's answer lacks the contender", root);
    } catch (error) {
      if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
      return this.#session.create(contender.path, contender.data, "ephemeral-sequential");
    }
  }

  /** The answer to our creation was lost: looks whether it was committed. @throws the error when it was not */
  async #findAgain(root: string, prefix: string, error: ZooKeeperError): Promise<string> {
    const owner = this.#session.signal;
    const own = await this.#findOwn(root, prefix, owner);
    if (owner.aborted) throw lostError(root);
    if (own === undefined) throw error;
    return own;
  }

  /** The contender whose creation was not answered (L1), if there is one and its session lives. */
  async #findOwn(root: string, prefix: string, owner: AbortSignal): Promise<string | undefined> {
    while (!owner.aborted) {
      try {
        await this.#session.connected(owner);
        // What was sent through a server that is gone may still be on its way.
        await afterAllWrites(this.#session);
        const own = (await this.#line(root))?.find((name) => `${root}/${name}`.startsWith(prefix));
        return own === undefined ? undefined : `${root}/${own}`;
      } catch (error) {
        if (owner.aborted) break;
        if (!isUncertain(error)) throw error;
        await worthAnotherTry(this.#session, this.#clock, error, owner).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #withdrawUnanswered(root: string, prefix: string): Promise<void> {
    const owner = this.#session.signal;
    const own = await this.#findOwn(root, prefix, owner);
    if (own !== undefined) await this.#withdraw(own, owner);
  }

  /** The names in line, or null when there is no lock root. */
  async #line(root: string): Promise<string[] | null> {
    try {
      return orderContenders(await this.#session.children(root));
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) return null;
      throw error;
    }
  }

  /** The contender before this one: null when it is first, undefined when it is not in line any more. */
  async #predecessor(contender: string): Promise<string | null | undefined> {
    const [root, name] = [parentOf(contender), nameOf(contender)];
    const line = (await this.#line(root)) ?? [];
    const place = line.indexOf(name);
    if (place < 0) return undefined;
    const before = line[place - 1];
    return before === undefined ? null : `${root}/${before}`;
  }

  async #isFirst(contender: string): Promise<boolean> {
    return (await this.#retry(() => this.#predecessor(contender))) === null;
  }

  /** Waits for our turn; false when what was to be locked is gone. @throws the signal's reason, or that the session is lost */
  async #wait(contender: string, signal: AbortSignal): Promise<boolean> {
    while (true) {
      const before = await this.#retry(() => this.#predecessor(contender), signal);
      if (before === null) return true;
      if (before === undefined) return false;
      await this.#session.gone(before, signal);
    }
  }

  /** Repeats a read that got no answer, as long as the session lives. */
  async #retry<T>(read: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const owner = this.#session.signal;
    while (true) {
      signal?.throwIfAborted();
      try {
        return await read();
      } catch (error) {
        if (owner.aborted || !isUncertain(error)) throw error;
        await worthAnotherTry(this.#session, this.#clock, error, signal);
      }
    }
  }

  /** Deletes a contender of ours, until it is certain that it is gone (L2). */
  async #withdraw(contender: string, owner: AbortSignal): Promise<void> {
    while (!owner.aborted) {
      try {
        await this.#session.delete(contender, -1);
        return;
      } catch (error) {
        if (!isUncertain(error)) {
          if (isZooKeeperError(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) return;
          throw error;
        }
        await worthAnotherTry(this.#session, this.#clock, error, owner).catch(() => undefined);
      }
    }
  }
}

/** What a wait for a lock is ended with; recognised by its identity. */
const TIME_IS_UP = new Error("the time for taking the lock is up");

function createContender(prefix: string, identifier: string): Operation & { kind: "create" } {
  return { kind: "create", path: prefix, data: utf8(identifier), mode: "ephemeral-sequential" };
}

function lostError(root: string): ZooKeeperError {
  return new ZooKeeperError("SESSION_EXPIRED", "the lock went with its ZooKeeper session", root);
}
