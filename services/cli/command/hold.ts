// nodepool hold
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { showNodes } from "../output/nodes.ts";
import { nodeName, seconds, shortName } from "../resource.ts";

export const run: Command = async (context, [id = ""], { reason, expires }) => {
  const expireSeconds = typeof expires === "string" ? seconds("--expires", expires) : 0;
  const { nodes } = await context.clients();
  const { node } = await nodes.holdNode({
    name: nodeName(id),
    reason: typeof reason === "string" ? reason : "",
    expireSeconds: BigInt(expireSeconds),
  });
  if (node === undefined) return EXIT.ok;
  showNodes(context, [node]);
  if (node.holdRequested) {
    context.host.stderr.write(`node ${shortName(node.name)} is in use: it is held when it is returned\n`);
  }
  return EXIT.ok;
};
