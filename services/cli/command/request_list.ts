// nodepool request-list
import { NodeRequest } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import type { Command, CommandContext } from "../context.ts";
import { EXIT } from "../host.ts";
import { allPages, type Column, show } from "../output/show.ts";
import { stateWord } from "../output/table.ts";
import { shortName } from "../resource.ts";

const COLUMNS: readonly Column<NodeRequest>[] = [
  ["Request ID", ({ name }) => shortName(name)],
  ["Priority", ({ relativePriority }) => String(relativePriority)],
  ["State", ({ state }) => stateWord(state)],
  ["Requestor", ({ requestor }) => requestor],
  ["Node Types", ({ labels }) => labels.join(",")],
  ["Nodes", ({ nodes }) => nodes.map(shortName).join(",")],
  ["Declined By", ({ declinedBy }) => declinedBy.join(",")],
  ["Event ID", ({ eventId }) => eventId],
];

/** Writes requests as this list shows them. */
export function showRequests(context: CommandContext, requests: readonly NodeRequest[]): void {
  show(context, requests, COLUMNS, NodeRequest.toJSON);
}

export const run: Command = async (context) => {
  const { requests } = await context.clients();
  const all = await allPages(async (pageToken) => {
    const page = await requests.listRequests({ pageToken });
    return { items: page.requests, nextPageToken: page.nextPageToken };
  });
  showRequests(context, all);
  return EXIT.ok;
};
