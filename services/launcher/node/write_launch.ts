// What is written of a launch while it is under way.
//
// Invariant:
//   N5. An instance's id is written while the instance boots. Whatever is written of the launch after that names the
//       version that this leaves, so it comes behind it or is refused with it. (N1-N4 are the launch's.)
import { messageOf } from "../../../lib/std/errors.ts";
import type { Operation } from "../../../lib/zookeeper/types.ts";
import { keys } from "../actions.ts";
import { type Environment, transaction } from "../environment.ts";
import type { Launch } from "../state.ts";

/** Writes the node under its lock; fails when the lock or the node is not ours any more. */
export async function writeLaunch(
  environment: Environment,
  launch: Launch,
  record: Launch["record"],
  operations: readonly Operation[] = [],
): Promise<void> {
  const { steps, version } = underItsLock(environment, launch, record);
  steps.append(operations);
  await steps.commit();
  launch.record = record;
  launch.version = version();
}

/** Writes the node while the launch goes on; when that fails, the launch is let go, even if it has ended. */
export function writeBehind(environment: Environment, launch: Launch, record: Launch["record"]): void {
  const { steps } = underItsLock(environment, launch, record);
  launch.record = record;
  launch.version += 1;
  steps.commit().catch((error: unknown) => {
    launch.controller.abort(error);
    // Else whoever runs it lets it go.
    if (launch.status === "launching") return undefined;
    const fields = { node: launch.node, request: launch.request, error: messageOf(error) };
    environment.context.logger.info("launch let go after its end", fields);
    launch.status = "launching";
    return settle(environment, launch);
  });
}

function underItsLock(environment: Environment, launch: Launch, record: Launch["record"]) {
  const steps = transaction(environment, "node.note");
  steps.guard(launch.lock);
  return { steps, version: steps.setNode(launch.node, record, launch.version) };
}

/** A launch without an outcome is let go; one with an outcome waits for the decision about it. */
export async function settle(environment: Environment, launch: Launch): Promise<void> {
  const { hand, kick } = environment;
  hand.changed(keys.node(launch.node));
  if (launch.status === "launching" && hand.launches.get(launch.node) === launch) {
    await launch.lock.release().catch(() => undefined);
    hand.launches.delete(launch.node);
  }
  kick();
}
