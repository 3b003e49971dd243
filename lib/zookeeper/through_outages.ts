import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { isUncertain, isZooKeeperError, type Session } from "./types.ts";

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
