// Entries of the view for those who are going to write: gone or unreadable ones are a conflict.
import { nodePath } from "../../../lib/model/paths.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import { ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { isReadable } from "../../../lib/zookeeper/view.ts";
import type { Environment } from "../environment.ts";
import type { ReadableNode } from "../pool/census.ts";
import type { ReadableRequest } from "./decide.ts";
import type { ReadyNode } from "./hand_over.ts";

/** The request. @throws {ZooKeeperError} `NO_NODE` when it is gone or cannot be read */
export function readableRequest(environment: Environment, id: string): ReadableRequest {
  const entry = environment.context.view.request(id);
  if (isReadable(entry)) return entry;
  throw new ZooKeeperError("NO_NODE", `request ${id} is gone`);
}

/** The node. @throws {ZooKeeperError} `NO_NODE` when it is gone or cannot be read */
export function readableNode(environment: Environment, id: string): ReadableNode {
  const entry = environment.context.view.node(id);
  if (isReadable(entry)) return entry;
  throw new ZooKeeperError("NO_NODE", `node ${id} is gone`);
}

/**
 * Whether a request that a node names is gone. A node may be shown as it was given away before its request is shown:
 * all that was told before the node is waited for.
 */
export async function isRequestGone(
  { context: { view } }: Environment,
  request: string,
  node: string,
): Promise<boolean> {
  await settle(view, () => [nodePath(node)]);
  return view.request(request) === undefined;
}

/** A node to hand over: from our own launch when there is one, else as it stands in the tree. */
export function readyNode(environment: Environment, id: string): ReadyNode {
  const { lock, record, version } = readableNode(environment, id);
  const launch = environment.hand.launches.get(id);
  if (launch === undefined) return { id, record, version, held: null, lock };
  return { id, record: launch.record, version: launch.version, held: launch.lock, lock };
}
