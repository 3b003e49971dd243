// Sends a node to its deletion whatever its state; also one that is in use.
import { type NodeRecord, withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath } from "../../../lib/model/paths.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import { nodeLeaseOf } from "../request/own_data.ts";

/**
 * Writes `deleting` and, in the same transaction, removes whoever stands in the lock's line: their next fenced write
 * fails. Whoever serves the provider then deletes the node.
 *
 * @param options.evenWhenLocked take the node also from somebody who is no lease of ours
 * @returns the node as it is now, or null when it may not be taken
 */
export async function forceDelete(
  environment: Environment,
  node: NodeEntry,
  options: { evenWhenLocked: boolean },
): Promise<NodeRecord | null> {
  const { record } = node;
  if (record === null) return null;
  if (record.state === "deleting" || record.state === "deleted") return record;
  const token = nodeLeaseOf(record)?.contender;
  const root = nodeLockPath(node.id);
  const strangers = node.lock.contenders.filter((name) => token === undefined || !name.startsWith(token));
  if (strangers.length > 0 && !options.evenWhenLocked) return null;
  const steps = transaction(environment, "node.force");
  for (const contender of node.lock.contenders) steps.delete(`${root}/${contender}`);
  if (node.lock.contenders.length === 0) steps.proveFree(root, node.lock);
  const deleting = withNodeState({ ...record, allocatedTo: null }, "deleting", nowOf(environment));
  steps.setNode(node.id, deleting, node.version);
  await steps.commit();
  return deleting;
}
