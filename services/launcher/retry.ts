// Repeats what a person or program asked for when somebody else wrote at the same time.
import type { ServiceContext } from "../../lib/daemon/types.ts";
import { catchUp, catchUpWithWrites } from "../../lib/zookeeper/settle.ts";
import { isConflict } from "../../lib/zookeeper/types.ts";

const ATTEMPTS = 5;

/** Runs `attempt`; after a conflict it waits until the view shows what was in the way, and tries again. */
export async function retryConflicts<T>(
  context: Pick<ServiceContext, "session" | "view">,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConflict(error) || count === ATTEMPTS) throw error;
      await catchUpWithWrites(context);
    }
  }
}

/** What the view shows of a thing; when it shows nothing, once more after it has caught up with ZooKeeper. */
export async function freshly<T>(
  context: Pick<ServiceContext, "session" | "view">,
  path: string,
  read: () => T | undefined,
): Promise<T | undefined> {
  const known = read();
  if (known !== undefined) return known;
  await catchUp(context, path);
  return read();
}
