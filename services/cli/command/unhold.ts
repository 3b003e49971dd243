// nodepool unhold
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { showNodes } from "../output/nodes.ts";
import { nodeName } from "../resource.ts";

export const run: Command = async (context, [id = ""]) => {
  const { nodes } = await context.clients();
  const { node } = await nodes.releaseNode({ name: nodeName(id) });
  if (node !== undefined) showNodes(context, [node]);
  return EXIT.ok;
};
