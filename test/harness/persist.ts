// Calls of a client that goes on through outages of ZooKeeper.
import { isUncertain, isZooKeeperError } from "../../lib/zookeeper/types.ts";

const PAUSE_MS = 100;

/**
 * Does something again until it has an answer.
 *
 * @param find looks, after a call without an answer, whether it was done; for what may not be done twice
 */
export async function persist<T>(act: () => Promise<T>, find?: () => Promise<T | undefined>): Promise<T> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      const found = isFirst ? undefined : await find?.();
      return found === undefined ? await act() : found;
    } catch (error) {
      // What is looked through may go meanwhile.
      const isFleeting = !isFirst && isZooKeeperError(error, "NO_NODE");
      if (!isUncertain(error) && !isFleeting) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Null for what is not there. */
export function missing(error: unknown): null {
  if (isZooKeeperError(error, "NO_NODE")) return null;
  throw error;
}
