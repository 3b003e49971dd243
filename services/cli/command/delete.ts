// nodepool delete
import type { Command, CommandContext } from "../context.ts";
import { EXIT } from "../host.ts";
import { Outage } from "../outage.ts";
import { showNodes } from "../output/nodes.ts";
import { nodeName } from "../resource.ts";

export const run: Command = async (context, [id = ""], { now }) => {
  const { nodes } = await context.clients();
  const { node } = await nodes.deleteNode({ name: nodeName(id) });
  if (now === true) await waitUntilGone(context, nodeName(id));
  showNodes(context, node === undefined || now === true ? [] : [node]);
  return EXIT.ok;
};

/** Watches until the node's record is gone; a launcher that goes away is asked again when it is back. */
async function waitUntilGone(context: CommandContext, name: string): Promise<void> {
  const { nodes } = await context.clients();
  const outage = new Outage(context);
  while (true) {
    try {
      let seen = false;
      for await (const { event } of nodes.watchNodes({})) {
        outage.over();
        if (event?.$case === "upserted" && event.value.name === name) seen = true;
        if (event?.$case === "deleted" && event.value === name) return;
        if (event?.$case === "bookmark" && event.value.synced && !seen) return;
      }
    } catch (error) {
      await outage.tryAgain(error);
    }
  }
}
