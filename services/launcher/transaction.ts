// Builds one ZooKeeper transaction out of what the launcher does: documents, and locks taken, proved free, given back.
import type { NodeRecord } from "../../lib/model/node.ts";
import type { RequestRecord } from "../../lib/model/request.ts";
import { createNode, createRequest, setNode, setRequest } from "../../lib/zookeeper/operations.ts";
import {
  type HeldLock,
  isUncertain,
  type Locks,
  type Operation,
  type OperationResult,
  type PreparedLock,
  type Session,
} from "../../lib/zookeeper/types.ts";
import type { LockView } from "../../lib/zookeeper/view.ts";

const EMPTY = new Uint8Array();

/** Reads its value once the transaction was committed. */
export type Later<T> = () => T;

/** A transaction under construction. */
export class Transaction {
  readonly #session: Session;
  readonly #around: (run: () => Promise<OperationResult[]>) => Promise<OperationResult[]>;
  readonly #operations: Operation[] = [];
  readonly #afterwards: ((results: readonly OperationResult[]) => void)[] = [];
  /** The locks that it takes. */
  readonly #locks: PreparedLock[] = [];

  /** @param around runs the commit, so that a test can hear of it */
  constructor(
    session: Session,
    around: (run: () => Promise<OperationResult[]>) => Promise<OperationResult[]> = (run) => run(),
  ) {
    this.#session = session;
    this.#around = around;
  }

  get isEmpty(): boolean {
    return this.#operations.length === 0;
  }

  /** Fails the transaction unless the lock is still ours. */
  guard(lock: HeldLock): void {
    this.#operations.push(lock.guard());
  }

  /** Adds steps that somebody else has made. */
  append(operations: readonly Operation[]): void {
    this.#operations.push(...operations);
  }

  /** Writes a document; gives its new version. */
  set(path: string, data: Uint8Array, version: number): Later<number> {
    return this.#add({ kind: "set", path, data, version }, (result) =>
      result?.kind === "set" ? result.stat.version : -1,
    );
  }

  /** Writes a node; gives its new version. */
  setNode(id: string, record: NodeRecord, version: number): Later<number> {
    const step = setNode(id, record, version);
    return this.set(step.path, step.data, step.version);
  }

  /** Writes a request; gives its new version. */
  setRequest(id: string, record: RequestRecord, version: number): Later<number> {
    const step = setRequest(id, record, version);
    return this.set(step.path, step.data, step.version);
  }

  /** Creates a znode; gives its path. */
  create(
    path: string,
    data: Uint8Array,
    mode: Extract<Operation, { kind: "create" }>["mode"],
  ): Later<string> {
    return this.#add({ kind: "create", path, data, mode }, (result) =>
      result?.kind === "create" ? result.path : path,
    );
  }

  /** Records a new node. */
  createNode(record: NodeRecord): void {
    this.#operations.push(createNode(record));
  }

  /** Stores a new request; gives its path. */
  createRequest(...given: Parameters<typeof createRequest>): Later<string> {
    const { path, data, mode } = createRequest(...given);
    return this.create(path, data, mode);
  }

  delete(path: string, version = -1): void {
    this.#operations.push({ kind: "delete", path, version });
  }

  /**
   * Takes a lock that nobody has: the transaction fails when there is a contender. An empty lock root is replaced,
   * which ZooKeeper refuses as soon as anybody stands in line.
   */
  take(locks: Locks, root: string, lock: LockView, identifier?: string): Later<HeldLock> {
    if (lock.exists) this.delete(root);
    return this.#take(root, locks.prepare(root, identifier));
  }

  /**
   * Takes a lock over from the contenders at the head of its line, which go: the transaction fails when one of them is
   * gone already. Whoever stands behind them goes on waiting.
   */
  takeOver(locks: Locks, root: string, from: readonly string[], identifier?: string): Later<HeldLock> {
    const taken = this.#take(root, locks.succeed(root, identifier));
    for (const contender of from) this.delete(`${root}/${contender}`);
    return taken;
  }

  #take(root: string, lock: PreparedLock): Later<HeldLock> {
    this.#operations.push(...lock.operations);
    this.#locks.push(lock);
    let taken: HeldLock | undefined;
    this.#afterwards.push((results) => {
      taken = lock.held(results);
    });
    return () => {
      if (taken === undefined) throw new Error(`the lock ${root} was not taken yet`);
      return taken;
    };
  }

  /** Fails the transaction unless the znode has this version. */
  check(path: string, version: number): void {
    this.#operations.push({ kind: "check", path, version });
  }

  /** Fails the transaction when anybody holds or waits for the lock; everything about it stays as it was. */
  proveFree(root: string, lock: LockView): void {
    const remove: Operation = { kind: "delete", path: root, version: -1 };
    const create: Operation = { kind: "create", path: root, data: EMPTY, mode: "persistent" };
    this.#operations.push(...(lock.exists ? [remove, create] : [create, remove]));
  }

  /** An empty line for a lock that nobody has: the transaction fails when there is a contender. */
  renewLine(root: string, lock: LockView): void {
    if (lock.exists) this.delete(root);
    this.create(root, EMPTY, "persistent");
  }

  /**
   * Puts a contender into the line that outlives every session: its holder is a lease.
   *
   * @param token the first part of the contender's name, 32 hex digits
   */
  enterLease(root: string, token: string, data: Uint8Array): void {
    this.create(`${root}/${token}__lock__`, data, "persistent-sequential");
  }

  /** Gives a lock of ours back; as a guard does, that fails the transaction unless the lock is still ours. */
  release(lock: HeldLock): void {
    this.#operations.push(lock.releaseOperation());
    this.#afterwards.push(() => lock.markReleased());
  }

  /** Records that a lock of ours goes with what it locks. */
  releasedWith(lock: HeldLock): void {
    this.#afterwards.push(() => lock.markReleased());
  }

  /**
   * Commits all or nothing. When the answer is lost, locks that may have been taken are given back before the error
   * is passed on: whoever reads the tree then sees what was done and goes on from there.
   *
   * @throws {ZooKeeperError} also when a lock could not be given back
   */
  async commit(): Promise<void> {
    let results: OperationResult[];
    try {
      results = await this.#around(() => this.#session.multi(this.#operations));
    } catch (error) {
      if (isUncertain(error)) await this.#withdrawLocks();
      throw error;
    }
    for (const afterwards of this.#afterwards) afterwards(results);
  }

  async #withdrawLocks(): Promise<void> {
    const ends = await Promise.allSettled(this.#locks.map((lock) => lock.withdraw()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  #add<T>(operation: Operation, read: (result: OperationResult | undefined) => T): Later<T> {
    const index = this.#operations.push(operation) - 1;
    let value: T;
    this.#afterwards.push((results) => {
      value = read(results[index]);
    });
    return () => value;
  }
}
