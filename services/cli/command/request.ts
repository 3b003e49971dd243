// nodepool request: waits for nodes, says how to log in, and gives them back at the end.
import { randomUUID } from "node:crypto";
import { durationOf } from "../../../lib/rpc/duration.ts";
import { Node } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest_State, type RequestStatus } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { runChild } from "../child.ts";
import type { Command, CommandContext } from "../context.ts";
import { CommandError, EXIT, UsageError } from "../host.ts";
import { identityOf } from "../identity.ts";
import { untilInterrupted } from "../interrupt.ts";
import { Outage } from "../outage.ts";
import { ProgressTeller, watchRequest } from "../request_watch.ts";
import { grantedSeconds, shortName } from "../resource.ts";
import {
  checkReachable,
  isSshNode,
  type KnownHosts,
  remoteCommand,
  sshArguments,
  sshLine,
  writeKnownHosts,
} from "../ssh_login.ts";

/** How long the lease lasts when nobody renews it, in seconds: while we run, and when the nodes are handed over by --detach. */
const LEASE = 60;
const DETACHED_LEASE = 3600;
const RELEASE_DEADLINE_MS = 10_000;

interface Wish {
  readonly labels: readonly string[];
  readonly lease: number;
  readonly detach: boolean;
  readonly identity: string | null;
  readonly options: Readonly<Record<string, unknown>>;
}

export const run: Command = (context, labels, options) => {
  const detach = options.detach === true;
  const wish: Wish = {
    labels,
    detach,
    lease: grantedSeconds("--lease", options.lease) ?? (detach ? DETACHED_LEASE : LEASE),
    identity: identityOf(context.host, options.identity),
    options,
  };
  if (context.trailing !== null && labels.length !== 1) {
    throw new UsageError("a command after -- needs exactly one label");
  }
  if (context.trailing !== null && detach) throw new UsageError("--detach and a command exclude each other");
  return untilInterrupted(context.host, (interrupt) => request(context, wish, interrupt));
};

async function request(context: CommandContext, wish: Wish, interrupt: AbortSignal): Promise<number> {
  const held: { name: string | null; keep: boolean } = { name: null, keep: false };
  const end = new AbortController();
  const signal = AbortSignal.any([interrupt, end.signal]);
  try {
    const attributes = { labels: [...wish.labels] };
    const { nodes, statuses } = await withSpan("nodepool request", { attributes }, async (span) => {
      const name = await create(context, wish, interrupt);
      held.name = name;
      span.setAttribute("request", name);
      const watching = watchRequest(context, name, signal);
      return { nodes: await fulfilled(context, watching), statuses: watching };
    });
    if (context.trailing !== null) {
      // Keeps the lease alive meanwhile; what ends it shows in the command.
      drain(statuses).catch(() => {});
      return await runOn(context, wish, nodes, interrupt);
    }
    if (wish.detach) {
      await renew(context, wish, held.name ?? "", interrupt);
      tellHandedOver(context, wish, held.name ?? "", nodes);
      held.keep = true;
      return EXIT.ok;
    }
    return await untilGone(context, wish, nodes, statuses);
  } finally {
    end.abort();
    if (held.name !== null && !held.keep) await release(context, held.name, untilDetached(wish));
  }
}

/**
 * The lease while we run, in seconds: watching renews it. A long one, for whoever has the nodes without us, comes when they are
 * handed over: what is created while we are interrupted goes soon.
 */
function untilDetached({ detach, lease }: Wish): number {
  return detach ? Math.min(lease, LEASE) : lease;
}

async function create(context: CommandContext, wish: Wish, signal: AbortSignal): Promise<string> {
  const { requests } = await context.clients();
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const answer = await requests.createRequest(
    {
      request: {
        labels: [...wish.labels],
        requestor: text(wish.options.requestor) || `cli:${context.host.env.USER ?? "unknown"}`,
        provider: text(wish.options.provider),
      },
      requestId: randomUUID(),
      leaseDuration: durationOf(untilDetached(wish)),
    },
    { signal },
  );
  return answer.request?.name ?? "";
}

/** The nodes in the order of the labels, once they are all there. @throws {CommandError} when they never will be */
async function fulfilled(
  context: CommandContext,
  statuses: AsyncGenerator<RequestStatus, void, void>,
): Promise<Node[]> {
  const teller = new ProgressTeller(context);
  while (true) {
    const { value: status, done } = await statuses.next();
    if (done) throw new CommandError("the request is gone: somebody deleted it, or its lease ran out");
    teller.tell(status);
    const { request: now, nodes } = status;
    if (now?.state === NodeRequest_State.STATE_FAILED) {
      const reason = now.reason === "" ? "no launcher can serve it" : now.reason;
      throw new CommandError(`request ${shortName(now.name)} failed: ${reason}`);
    }
    if (now?.state === NodeRequest_State.STATE_FULFILLED) {
      return now.nodes.flatMap((name) => nodes.filter((node) => node.name === name));
    }
  }
}

/** Says how to reach the nodes, on standard output. */
function tellNodes({ host, output }: CommandContext, wish: Wish, nodes: Node[], hosts: KnownHosts | null) {
  if (output === "json") {
    host.stdout.write(`${JSON.stringify(nodes.map(Node.toJSON), null, 2)}\n`);
    return;
  }
  for (const node of nodes) {
    const line = isSshNode(node)
      ? sshLine(node, hosts, wish.identity)
      : `${node.connectionType} ${node.interfaceIp}:${node.connectionPort}`;
    host.stdout.write(`${line}\n`);
  }
}

/** Keeps the nodes, and with them the lease, until the interrupt or until somebody else ends the request. */
async function untilGone(
  context: CommandContext,
  wish: Wish,
  nodes: Node[],
  statuses: AsyncGenerator<RequestStatus, void, void>,
): Promise<number> {
  const sshNodes = nodes.filter(isSshNode);
  const hosts = sshNodes.length > 0 && context.output === "table" ? writeKnownHosts(sshNodes) : null;
  try {
    tellNodes(context, wish, nodes, hosts?.complete ? hosts : null);
    context.host.stderr.write("ready: Ctrl-C gives the nodes back\n");
    await drain(statuses);
  } finally {
    hosts?.remove();
  }
  throw new CommandError("the request is gone: somebody released it, and its nodes with it");
}

async function drain(statuses: AsyncGenerator<RequestStatus, void, void>): Promise<void> {
  while (!(await statuses.next()).done);
}

/** Takes the long lease. A launcher that is restarted just then costs nobody the nodes: the short one goes on for a while. */
async function renew(
  context: CommandContext,
  wish: Wish,
  name: string,
  interrupt: AbortSignal,
): Promise<void> {
  const { requests } = await context.clients();
  const leaseDuration = durationOf(wish.lease);
  const outage = new Outage(context);
  while (true) {
    try {
      await requests.renewRequest({ name, leaseDuration }, { signal: interrupt });
      return;
    } catch (error) {
      await outage.tryAgain(error, interrupt);
    }
  }
}

function tellHandedOver(context: CommandContext, wish: Wish, name: string, nodes: Node[]): void {
  tellNodes(context, wish, nodes, null);
  const id = shortName(name);
  context.host.stderr.write(`yours for ${wish.lease} s; give back sooner with: nodepool release ${id}\n`);
}

async function runOn(
  { host, trailing }: CommandContext,
  wish: Wish,
  [node]: Node[],
  signal: AbortSignal,
): Promise<number> {
  if (node === undefined) throw new CommandError("the request was fulfilled without a node");
  checkReachable(node);
  const hosts = writeKnownHosts([node]);
  try {
    const args = sshArguments(node, hosts, wish.identity);
    return await runChild(host, "ssh", [...args, ...remoteCommand(trailing ?? [])], signal);
  } finally {
    hosts.remove();
  }
}

/** Gives the nodes back. A failure is told, and left to the end of the lease. */
async function release({ host, clients }: CommandContext, name: string, lease: number): Promise<void> {
  const { requests } = await clients();
  try {
    await requests.releaseRequest({ name }, { deadlineMs: RELEASE_DEADLINE_MS });
    host.stderr.write(`request ${shortName(name)} is released\n`);
  } catch (error) {
    const until = `its lease ends within ${lease} s`;
    host.stderr.write(`request ${shortName(name)} could not be released (${messageOf(error)}): ${until}\n`);
  }
}
