import { writeWhenConnected } from "../../../lib/daemon/outage.ts";
import { requestPath } from "../../../lib/model/paths.ts";
import { invalidArgument } from "../../../lib/rpc/errors.ts";
import type {
  ReleaseRequestRequest,
  ReleaseRequestResponse,
} from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { releaseRequest as release } from "../request/lease.ts";
import { ownDataOf } from "../request/own_data.ts";
import { freshly } from "../retry.ts";
import { nodeName } from "./node_message.ts";
import { refuseWithoutLease } from "./renew_request.ts";
import { waitSeconds } from "./seconds.ts";
import type { Shared } from "./shared.ts";
import { type WaitingCall, waitFor } from "./wait.ts";

const FAULT_LENGTH = 500;

/**
 * Gives the nodes of a request back, or withdraws it, and waits until they are gone when it is told to. Releasing what is
 * gone already succeeds.
 */
export async function releaseRequest(
  shared: Shared,
  request: ReleaseRequestRequest,
  call: WaitingCall,
): Promise<ReleaseRequestResponse> {
  const { environment, engine } = shared;
  const wait = waitSeconds(request.waitDuration);
  const { request: id } = parseName("nodeRequests/{request}", request.name);
  const nodes = await writeWhenConnected(environment, () => released(shared, id, request), call.signal);
  const leaving = () => nodes.filter((node) => isLeaving(shared, node, id));
  if (wait !== undefined) {
    await waitFor(environment, {
      call,
      seconds: wait,
      listen: (listener) => {
        const stops = nodes.map((node) => engine.watchNode(node, listener));
        return () => {
          for (const stop of stops) stop();
        };
      },
      look: () => (leaving().length > 0 ? undefined : Promise.resolve()),
    });
  }
  return { nodes: leaving().map(nodeName) };
}

/** Releases it. Gives its nodes, also where it was released before: whoever calls again waits for the same. */
async function released(
  { environment }: Shared,
  id: string,
  { name, fault }: ReleaseRequestRequest,
): Promise<string[]> {
  const { context } = environment;
  const entry = await freshly(context, requestPath(id), () => context.view.request(id));
  const nodes = () => environment.nodesOf(id).map((node) => node.id);
  if (entry === undefined) return nodes();
  refuseWithoutLease(entry.record === null ? null : ownDataOf(entry.record).lease, name);
  if (fault.length > FAULT_LENGTH) {
    throw invalidArgument("fault", `has ${fault.length} characters; at most ${FAULT_LENGTH} are kept`);
  }
  // A launch that is abandoned is nobody's afterwards. What another launcher has just handed over may not be shown before.
  const before = nodes();
  await release(environment, id, fault === "" ? null : fault);
  return [...new Set([...before, ...nodes()])];
}

/** Whether a node that a released request had is still to go: it is not held, nor ready for others. */
function isLeaving({ environment }: Shared, node: string, request: string): boolean {
  const entry = environment.context.view.node(node);
  if (!entry?.record) return entry !== undefined;
  const { state, allocatedTo } = entry.record;
  return state !== "hold" && (allocatedTo === request || state === "deleting");
}
