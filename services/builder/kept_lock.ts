import type { ServiceContext } from "../../lib/daemon/types.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { followSignals } from "../../lib/std/follow_signals.ts";
import type { Logger } from "../../lib/std/logger.ts";
import { onAbort } from "../../lib/std/on_abort.ts";
import { type HeldLock, isZooKeeperError } from "../../lib/zookeeper/types.ts";

/** How long to wait for a lock that was lost while the work under it goes on, in milliseconds. */
const WHILE_WORKING = 60_000;

type LockContext = Pick<ServiceContext, "session" | "locks" | "hostname">;

/**
 * Takes a lock; null when somebody else is in line for it when `timeout` milliseconds are over. That they are over is not
 * enough: they also go by without a connection.
 *
 * @throws the signal's reason when it is aborted first
 */
export async function takeLock(
  { session, locks, hostname }: LockContext,
  root: string,
  timeout: number,
  signal: AbortSignal,
): Promise<HeldLock | null> {
  const options = { identifier: hostname, createParents: true, timeout, signal };
  while (true) {
    await session.connected(signal);
    const lock = await locks.acquire(root, options);
    if (lock !== null) return lock;
    try {
      if ((await session.children(root)).length > 0) return null;
    } catch (error) {
      if (!isZooKeeperError(error, "NO_NODE")) throw error;
    }
  }
}

/** A lock that is taken back when it was lost, because the work under it goes on meanwhile. */
export class KeptLock {
  readonly #context: ServiceContext;
  readonly #logger: Logger;
  #lock: HeldLock;

  constructor(context: ServiceContext, lock: HeldLock, logger: Logger) {
    this.#context = context;
    this.#lock = lock;
    this.#logger = logger;
  }

  /** The lock as it was last had; its signal tells whether it still is. */
  get last(): HeldLock {
    return this.#lock;
  }

  /**
   * The lock, taken anew if it was lost; null when somebody else has it, as {@link takeLock} tells.
   *
   * @throws the signal's reason when it is aborted first
   */
  async own(signal: AbortSignal, timeout: number): Promise<HeldLock | null> {
    if (!this.#lock.signal.aborted) return this.#lock;
    const lock = await takeLock(this.#context, this.#lock.root, timeout, signal);
    if (lock !== null) this.#lock = lock;
    return lock;
  }

  /** Takes the lock back whenever it is lost, until the signal is aborted or somebody else keeps it. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { signal: lost } = this.#lock;
      const either = followSignals([lost, signal]);
      await new Promise<void>((resolve) => onAbort(either.signal, resolve));
      either.stop();
      if (signal.aborted) return;
      this.#logger.warn("work goes on without its lock", { error: messageOf(lost.reason) });
      try {
        if ((await this.own(signal, WHILE_WORKING)) === null) return;
        this.#logger.info("the lock was taken back");
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn("the lock could not be taken back", { error: messageOf(error) });
        await this.#context.clock.sleep(1000, signal).catch(() => undefined);
      }
    }
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}
