// One client of a simulated run: real session, locks and view, doing what launchers and builders do, by chance.
import { nodeLockPath, nodePath, orderContenders, ROOT } from "../../lib/model/paths.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type SessionOptions, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { worthAnotherTry } from "../../lib/zookeeper/through_outages.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import {
  type HeldLock,
  isUncertain,
  isZooKeeperError,
  type Locks,
  type Session,
  TransactionError,
} from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import type { GuardedWrite, Heard, Taken } from "./history.ts";
import type { Random } from "./random.ts";

const LOCK_PATIENCE_MS = 400;

/** Nodes that are written under their locks and never deleted. */
export const LOCKED_NODES = ["0000000001", "0000000002"] as const;
/** Nodes that come and go, and are written by everybody. */
export const FREE_NODES = ["0000001001", "0000001002", "0000001003"] as const;
/** Nodes whose end somebody waits for. */
export const AWAITED_NODES = ["0000002001", "0000002002"] as const;

/** A node's document that carries a value. */
export function documentOf(value: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ state: "ready", type: ["label"], comment: value }));
}

/** Where a client connects to. */
export type ClientOptions = Pick<SessionOptions, "servers" | "sessionTimeoutMs" | "chroot">;

export class SimulatedClient {
  readonly name: string;
  readonly session: ZooKeeperSession;
  readonly view: View;
  readonly writes: GuardedWrite[] = [];
  readonly taken: Taken[] = [];
  readonly otherValues = new Set<string>();
  readonly everHeard: Heard[] = [];
  /** What was seen and may not be, in words. */
  readonly violations: string[] = [];
  readonly #locks: Locks;
  readonly #witness: Session;
  readonly #random: Random;
  readonly #heard = new Map<string, string | null>();
  readonly #pending = new Map<Promise<unknown>, string>();
  #values = 0;

  /** `witness` is a session that no fault strikes. */
  constructor(name: string, options: ClientOptions, witness: Session, random: Random) {
    this.name = name;
    this.#witness = witness;
    this.#random = random;
    this.session = connectSession({ ...options, logger: silentLogger, random: random.next });
    this.#locks = createLocks(this.session);
    this.view = openView(this.session, silentLogger);
    this.view.subscribe(({ kind, id }) => {
      if (kind !== "node") return;
      const value = this.view.node(id)?.record?.comment ?? null;
      this.#heard.set(id, value);
      this.everHeard.push({ client: name, node: id, value });
    });
  }

  /** Calls that are not settled yet, by name. */
  get pending(): string[] {
    return [...this.#pending.values()].map((call) => `${this.name}: ${call}`);
  }

  get lastHeard(): Heard[] {
    return Array.from(this.#heard, ([node, value]) => ({ client: this.name, node, value }));
  }

  /** Does one thing after the other as long as the condition holds; it is asked with the number of the step. */
  async work(goOn: (step: number) => boolean): Promise<void> {
    for (let step = 0; goOn(step); step += 1) await this.#step();
  }

  /** Waits for the end of a node, besides everything else. */
  awaitEnd(node: string): void {
    void this.#call(`gone ${node}`, () => this.session.gone(nodePath(node)));
  }

  async #step(): Promise<void> {
    switch (this.#random.below(7)) {
      case 0:
      case 1:
      case 2:
        return await this.#underLock(this.#random.pick(LOCKED_NODES));
      case 3: {
        const node = nodePath(this.#random.pick(FREE_NODES));
        const data = documentOf(this.#otherValue());
        return await this.#call("create", () => this.session.create(node, data, "persistent"));
      }
      case 4: {
        const node = nodePath(this.#random.pick(FREE_NODES));
        return await this.#call("set", () => this.session.set(node, documentOf(this.#otherValue()), -1));
      }
      case 5:
        return await this.#call("sync", () => this.session.sync(ROOT));
      default: {
        const node = nodePath(this.#random.pick(FREE_NODES));
        return await this.#call("delete", () => this.session.delete(node, -1));
      }
    }
  }

  /** Takes a node's lock, writes a few times, gives the lock back, and now and then writes once more. */
  async #underLock(node: string): Promise<void> {
    const root = nodeLockPath(node);
    const patience = this.#random.chance(0.3) ? 0 : LOCK_PATIENCE_MS;
    const options = { identifier: this.name, timeout: patience };
    let lock: HeldLock | null = null;
    await this.#call("acquire", async () => {
      lock = await this.#locks.acquire(root, options);
    });
    const held: HeldLock | null = lock;
    if (held === null) return;
    await this.#underHeldLock(node, held);
  }

  async #underHeldLock(node: string, lock: HeldLock): Promise<void> {
    const line = await again(this.#witness, async () => {
      // Its server may be behind the one that gave the lock.
      await this.#witness.sync(lock.root);
      return orderContenders(await this.#witness.children(lock.root));
    });
    const session = this.session.signal;
    const contender = lock.contender.slice(lock.root.length + 1);
    this.taken.push({ client: this.name, root: lock.root, contender, line });
    for (let count = 1 + this.#random.below(3); count > 0; count -= 1) {
      const atOnce = this.#random.chance(0.3) ? 3 : 1;
      await Promise.all(Array.from({ length: atOnce }, () => this.#write(node, lock)));
      if (this.#random.chance(0.3)) await pause(this.#random.below(60));
    }
    await this.#call("release", () => lock.release());
    if (!this.#random.chance(0.3) || (await this.#write(node, lock)) !== "committed") return;
    // A server whose disk is full cannot end a session: what the client takes for lost, and its place in the line with
    // it, may stand for a second longer. Nobody else has the lock then.
    if (!session.aborted) {
      this.violations.push(`${this.name} wrote ${node} after it had given the lock back`);
    }
  }

  async #write(node: string, lock: HeldLock): Promise<GuardedWrite["outcome"]> {
    const value = this.#newValue();
    const set = { kind: "set", path: nodePath(node), data: documentOf(value), version: -1 } as const;
    let [outcome, zxid]: [GuardedWrite["outcome"], bigint | null] = ["unknown", null];
    await this.#call("multi", async () => {
      try {
        const [, result] = await this.session.multi([lock.guard(), set]);
        outcome = "committed";
        if (result?.kind === "set") zxid = result.stat.mzxid;
      } catch (error) {
        if (error instanceof TransactionError) outcome = "refused";
        throw error;
      }
    });
    const token = Number(lock.contender.slice(-10));
    this.writes.push({ client: this.name, node, value, token, outcome, zxid });
    return outcome;
  }

  /** Makes a call that may fail in any way that ZooKeeper's may, and in no other. */
  async #call(name: string, run: () => Promise<unknown>): Promise<void> {
    const call = run();
    this.#pending.set(call, name);
    try {
      await call;
    } catch (error) {
      if (!isZooKeeperError(error))
        this.violations.push(`${this.name}: ${name} failed with ${messageOf(error)}`);
    } finally {
      this.#pending.delete(call);
    }
  }

  #newValue(): string {
    this.#values += 1;
    return `${this.name}-${this.#values}`;
  }

  #otherValue(): string {
    const value = this.#newValue();
    this.otherValues.add(value);
    return value;
  }
}

/**
 * Repeats a call of the witness, whose server may be starting anew, or whose session may have ended meanwhile. It must do no
 * harm to be done twice.
 */
export async function again<T>(witness: Session, call: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await call();
    } catch (error) {
      if (!isUncertain(error) && !isZooKeeperError(error, "SESSION_EXPIRED")) throw error;
      await worthAnotherTry(witness, systemClock, error);
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
