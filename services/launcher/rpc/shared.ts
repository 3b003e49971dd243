// What the methods of the launcher's services share.

import { nodePath, requestPath } from "../../../lib/model/paths.ts";
import type { ChangeFeed } from "../../../lib/rpc/change_feed.ts";
import { notFound } from "../../../lib/rpc/errors.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import type { NodeEntry, RequestEntry } from "../../../lib/zookeeper/view.ts";
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
  readonly nodeFeed: ChangeFeed<NodeChange>;
  /** CreateRequest calls under way by the caller's id: one that is repeated meanwhile waits for the first. */
  readonly creating: Map<string, Promise<string>>;
}

/** The node of a resource name. @throws INVALID_ARGUMENT, NOT_FOUND */
export async function findNode({ environment }: Shared, name: string): Promise<NodeEntry> {
  const { node: id } = parseName("nodes/{node}", name);
  const { context } = environment;
  const entry = await freshly(context, nodePath(id), () => context.view.node(id));
  if (entry === undefined) throw notFound("node", name);
  return entry;
}

/** The request of a resource name; its nodes are shown as they were with it. @throws INVALID_ARGUMENT, NOT_FOUND */
export async function findRequest({ environment }: Shared, name: string): Promise<RequestEntry> {
  const { request: id } = parseName("nodeRequests/{request}", name);
  const { context } = environment;
  await freshly(context, requestPath(id), () => context.view.request(id));
  await settle(context.view, () => [requestPath(id)]);
  const entry = context.view.request(id);
  if (entry === undefined) throw notFound("request", name);
  return entry;
}
