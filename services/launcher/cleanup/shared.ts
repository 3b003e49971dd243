// A node that a metastatic provider shares out is in use for as long as that provider keeps it, and the provider does not
// look at machines. So whoever finds that the machine is gone says so in the node's record, where all launchers see it.
import { nodeLockPath } from "../../../lib/model/paths.ts";
import { sharedOf, shareOf, sharerName, withoutFurtherNodes } from "../../../lib/model/shared_node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { keys } from "../actions.ts";
import { type Environment, transaction } from "../environment.ts";
import { forceDelete } from "../node/force_delete.ts";

/**
 * Lets no further node onto a shared node, so that it is given back when it is empty, and sends those on it that nobody
 * uses to their deletion. Does nothing to other nodes. To be repeated for as long as the node is there: a launch that
 * had its slot before may end meanwhile.
 *
 * @param beneath what the node itself stands on
 */
export async function emptyShared(
  environment: Environment,
  node: NodeEntry,
  reason: string,
  beneath: ReadonlySet<string> = new Set(),
): Promise<void> {
  if (beneath.has(node.id)) return;
  const { logger, view } = environment.context;
  const { hand } = environment;
  if (!(await closeShared(environment, node, reason))) return;
  for (const other of [...view.nodes()]) {
    const { id, record } = other;
    if (record === null || shareOf(record)?.backingNode !== node.id || hand.isBusy(keys.node(id))) continue;
    if (sharedOf(record) !== null) {
      await emptyShared(environment, other, reason, new Set([...beneath, node.id]));
    } else if (
      record.state === "ready" &&
      (await forceDelete(environment, other, { evenWhenLocked: false }))
    ) {
      logger.warn("deleting node", { node: id, reason: `node ${node.id}, which it is on: ${reason}` });
    }
  }
}

/** Whether the node is shared out, by whoever holds its lock, and gets no further nodes now. */
async function closeShared(environment: Environment, node: NodeEntry, reason: string): Promise<boolean> {
  const { logger, session } = environment.context;
  const { id, record, version, lock } = node;
  const shared = record === null ? null : sharedOf(record);
  const [first] = lock.contenders;
  if (record === null || shared === null || first === undefined) return false;
  const contender = `${nodeLockPath(id)}/${first}`;
  const { data } = await session.get(contender);
  if (new TextDecoder().decode(data) !== sharerName(shared.provider)) return false;
  if (shared.failed) return true;
  const steps = transaction(environment, "backing.fail");
  steps.check(contender, -1);
  steps.setNode(id, withoutFurtherNodes(record, shared, reason), version);
  await steps.commit();
  logger.warn("a backing node takes no further nodes", { node: id, reason });
  return true;
}
