// Nodes as Nodepool's `list` shows them.
import { Node, Node_State } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import type { CommandContext } from "../context.ts";
import { shortName } from "../resource.ts";
import { type Column, show } from "./show.ts";
import { formatAge, stateWord } from "./table.ts";

function columns(now: number): Column<Node>[] {
  return [
    ["ID", (node) => shortName(node.name)],
    ["Provider", (node) => node.provider],
    ["Label", (node) => node.labels.join(",")],
    ["Server ID", (node) => node.externalId],
    ["Public IPv4", (node) => node.publicIpv4],
    ["IPv6", (node) => node.publicIpv6],
    ["State", (node) => stateWord(node.state)],
    ["Age", (node) => formatAge(node.stateTime, now)],
    ["Locked", (node) => (node.locked ? "locked" : "unlocked")],
  ];
}

// Of user data and driver data the API tells only which nodes are shared, and which stand on which.
const DETAILS: readonly Column<Node>[] = [
  ["Pool", (node) => node.pool],
  ["Hostname", (node) => node.hostname],
  ["Private IPv4", (node) => node.privateIpv4],
  ["AZ", (node) => node.availabilityZone],
  ["Username", (node) => node.username],
  ["Port", (node) => (node.connectionPort === 0 ? "redacted" : String(node.connectionPort))],
  ["Launcher", (node) => node.launcher],
  ["Allocated To", (node) => shortName(node.allocatedTo)],
  ["Hold Job", (node) => node.holdJob],
  ["Comment", (node) => node.comment],
  ["User Data", (node) => (node.sharedBy === "" ? "" : `shared out by ${node.sharedBy}`)],
  [
    "Driver Data",
    (node) => (node.backingNode === "" ? "" : `slot ${node.slot} of ${shortName(node.backingNode)}`),
  ],
];

const isOutOfService = ({ state, comment }: Node) => state === Node_State.STATE_TESTING && comment !== "";
const REASON: Column<Node> = ["Comment", ({ comment }) => comment];

/**
 * Writes nodes; `detail` adds the columns of `list --detail`. While a host is out of service, the short list has a
 * column more, which says why.
 */
export function showNodes(context: CommandContext, nodes: readonly Node[], detail = false): void {
  const reasons = nodes.some(isOutOfService) ? [REASON] : [];
  const all = [...columns(context.clock.now()), ...(detail ? DETAILS : reasons)];
  show(context, nodes, all, Node.toJSON);
}
