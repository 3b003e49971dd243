// Writes under a lock that are certain when they return, whatever the connection does meanwhile.
import type { ServiceContext } from "../../lib/daemon/types.ts";
import { throughOutages, worthAnotherTry } from "../../lib/zookeeper/through_outages.ts";
import {
  type HeldLock,
  isUncertain,
  isZooKeeperError,
  type Operation,
  type Session,
  TransactionError,
} from "../../lib/zookeeper/types.ts";

/**
 * - `stored`: committed, and the lock was given back with it.
 * - `lock-lost`: not committed, the lock is not ours any more.
 * - `changed`: not committed, somebody else has written or deleted the record.
 * - `overtaken`: not committed, something that it relies on has changed.
 */
export type Outcome = "stored" | "lock-lost" | "changed" | "overtaken";

/** A record to be written. */
export interface LockedWrite {
  readonly path: string;
  readonly data: Uint8Array;
  /** The version that was read. */
  readonly version: number;
  /** What has to be as it was read, or nothing is committed. */
  readonly relied?: readonly Operation[];
  /** Committed together with the write, as far as they can be; the write is done without the others. */
  readonly besides?: readonly Operation[];
}

/** A znode's data and version, or null when there is none. */
export async function readZnode(
  session: Session,
  path: string,
): Promise<{ readonly data: Uint8Array; readonly version: number } | null> {
  try {
    const { data, stat } = await session.get(path);
    return { data, version: stat.version };
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return null;
    throw error;
  }
}

/** Whether two documents are the same to the byte. */
export function sameData(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

type Context = Pick<ServiceContext, "session" | "clock">;

/** Whether a transaction that begins with a lock's guard was refused because the lock is not ours any more. */
export function isLockLost(error: unknown): boolean {
  return error instanceof TransactionError && error.index === 0 && error.code === "NO_NODE";
}

/**
 * Writes a record and gives the lock back in one transaction. A write whose answer was lost is looked up and repeated, one
 * that the server puts off is repeated. A lock that turns out to be lost is marked as released: its signal tells so from
 * then on.
 *
 * @throws the signal's reason when it is aborted first
 */
export async function storeAndRelease(
  context: Context,
  lock: HeldLock,
  write: LockedWrite,
  signal: AbortSignal,
): Promise<Outcome> {
  const set: Operation = { kind: "set", path: write.path, data: write.data, version: write.version };
  const relied = write.relied ?? [];
  let besides = write.besides ?? [];
  while (true) {
    signal.throwIfAborted();
    try {
      await context.session.multi([lock.guard(), set, lock.releaseOperation(), ...relied, ...besides]);
      lock.markReleased();
      return "stored";
    } catch (error) {
      if (error instanceof TransactionError && error.index > 2) {
        const refused = error.index - 3 - relied.length;
        if (refused < 0) return "overtaken";
        besides = besides.filter((_, index) => index !== refused);
        continue;
      }
      const outcome = await afterFailure(context, write, error, signal);
      if (outcome === "stored" || outcome === "lock-lost") lock.markReleased();
      if (outcome !== null) return outcome;
      await worthAnotherTry(context.session, context.clock, error, signal);
    }
  }
}

/** What a failed transaction means; null when it is to be repeated. */
async function afterFailure(
  context: Context,
  write: LockedWrite,
  error: unknown,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const refusedStep = error instanceof TransactionError ? error.index : null;
  const isExpired = isZooKeeperError(error, "SESSION_EXPIRED");
  const isOpen = isExpired || isUncertain(error);
  if (!isOpen && refusedStep === null) throw error;
  const found = await readWhenConnected(context, write.path, signal);
  if (found !== null && sameData(found.data, write.data)) return "stored";
  if (isExpired || isLockLost(error)) return "lock-lost";
  if (isOpen) return null;
  if (refusedStep === 1) return "changed";
  throw error;
}

/** Reads a znode as soon as it can be read. @throws the signal's reason when it is aborted first */
export function readWhenConnected({ session, clock }: Context, path: string, signal: AbortSignal) {
  return throughOutages(session, clock, () => readZnode(session, path), signal);
}
