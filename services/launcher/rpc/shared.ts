// What the methods of the launcher's services share.

import { nodePath, requestPath } from "../../../lib/model/paths.ts";
import type { ChangeFeed } from "../../../lib/rpc/change_feed.ts";
import { notFound, withoutZooKeeper } from "../../../lib/rpc/errors.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import type { NodeEntry, RequestEntry, View } from "../../../lib/zookeeper/view.ts";
import type { Engine } from "../engine.ts";
import type { Environment } from "../environment.ts";
import { freshly } from "../retry.ts";

/** A change of a node; null when it is gone. */
export interface NodeChange {
  readonly id: string;
  readonly entry: NodeEntry | null;
}

/** Given to each method. */
export interface Shared {
  readonly environment: Environment;
  readonly engine: Engine;
  /** Its subjects are nodes by their ids. */
  readonly nodeFeed: ChangeFeed<string, NodeChange>;
  /** CreateRequest calls under way by the caller's id: one that is repeated meanwhile waits for the first. */
  readonly creating: Map<string, Promise<string>>;
}

/** The view, when it can be relied upon. @throws UNAVAILABLE while it may be old */
export function currentView({ environment }: Shared): View {
  const { view } = environment.context;
  if (view.current) return view;
  throw withoutZooKeeper();
}

/** The node of a resource name. @throws INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE */
export async function findNode(shared: Shared, name: string): Promise<NodeEntry> {
  const { node: id } = parseName("nodes/{node}", name);
  const view = currentView(shared);
  const entry = await freshly(shared.environment.context, nodePath(id), () => view.node(id));
  if (entry === undefined) throw notFound("node", name);
  return entry;
}

/** The request of a resource name; its nodes are shown as they were with it. @throws as {@link findNode} */
export async function findRequest(shared: Shared, name: string): Promise<RequestEntry> {
  const { request: id } = parseName("nodeRequests/{request}", name);
  const view = currentView(shared);
  await freshly(shared.environment.context, requestPath(id), () => view.request(id));
  await settle(view, () => [requestPath(id)]);
  const entry = view.request(id);
  if (entry === undefined) throw notFound("request", name);
  return entry;
}
