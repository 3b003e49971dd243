// nodepool list
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { showNodes } from "../output/nodes.ts";
import { allPages } from "../output/show.ts";

export const run: Command = async (context, _args, { detail }) => {
  const { nodes } = await context.clients();
  const all = await allPages(async (pageToken) => {
    const page = await nodes.listNodes({ pageToken });
    return { items: page.nodes, nextPageToken: page.nextPageToken };
  });
  showNodes(context, all, detail === true);
  return EXIT.ok;
};
