import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { isPutOff, isUncertain, isZooKeeperError, type Session } from "./types.ts";

const RETRY = { initial: 200, maximum: 5000 };

/**
 * Does work that may be repeated, in another session too, until it is done, whatever becomes of the connection.
 *
 * @throws what has nothing to do with the connection; the signal's reason; {@link ZooKeeperError} `CLOSED`
 */
export async function throughOutages<T>(
  session: Pick<Session, "connected">,
  clock: Clock,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    if (failures > 0) await clock.sleep(backoffDelay(failures, RETRY), signal);
    await session.connected(signal);
    try {
      return await work();
    } catch (error) {
      const passes = isUncertain(error) || isZooKeeperError(error, "SESSION_EXPIRED");
      if (!passes || signal?.aborted) throw error;
    }
  }
}

/** How long a server that puts a call off is left alone, in milliseconds. */
const LEFT_ALONE_MS = 200;

/**
 * Waits until a call that failed with this error is worth another try: until there is a connection, and for a while where
 * there is one and the server does nothing.
 *
 * @throws the signal's reason; {@link ZooKeeperError} `CLOSED`
 */
export async function worthAnotherTry(
  session: Pick<Session, "connected">,
  clock: Pick<Clock, "sleep">,
  error: unknown,
  signal?: AbortSignal,
): Promise<void> {
  if (isPutOff(error)) await clock.sleep(LEFT_ALONE_MS, signal);
  await session.connected(signal);
}
