// What the log and the metrics say of an action that was not done.
import { messageOf } from "../../lib/std/errors.ts";
import { isConflict, isPutOff, isUncertain, isZooKeeperError } from "../../lib/zookeeper/types.ts";
import { keysOf } from "./action_keys.ts";
import type { Action } from "./actions.ts";
import type { Environment } from "./environment.ts";

/**
 * Tells why an action was not done. That somebody else was faster, or that ZooKeeper is away, is no news here: the action
 * is decided upon anew, and the session says what it waits for. Anything else would stall what the action is about, as
 * an ACL that refuses us does, so somebody has to hear of it.
 */
export function tellFailure(
  { context, metrics }: Pick<Environment, "context" | "metrics">,
  action: Action,
  error: unknown,
): void {
  const { logger } = context;
  const fields = { action: action.kind, subject: keysOf(action).join(" "), error: messageOf(error) };
  if (isConflict(error)) {
    metrics.conflict({ action: action.kind });
    logger.debug("action refused, deciding anew", fields);
  } else if (isOutage(error)) logger.debug("action interrupted, deciding anew", fields);
  else if (isPutOff(error)) logger.warn("ZooKeeper puts an action off", fields);
  else logger.error("action failed", fields);
}

/** Whether an error comes of a connection or a session that is gone, or of a server that has too much to do: it passes. */
export function isOutage(error: unknown): boolean {
  if (isZooKeeperError(error, "SESSION_EXPIRED", "CLOSED", "THROTTLED")) return true;
  return isUncertain(error) && !isPutOff(error);
}
