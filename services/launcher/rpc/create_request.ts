import { writeWhenConnected } from "../../../lib/daemon/outage.ts";
import { invalidArgument, notFound } from "../../../lib/rpc/errors.ts";
import type {
  CreateRequestRequest,
  CreateRequestResponse,
} from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { keptText } from "../../../lib/rpc/text.ts";
import { currentTraceparent } from "../../../lib/telemetry/trace.ts";
import { explainLabel } from "../explain/label.ts";
import { expectedFor } from "../request/courtesy.ts";
import { createLeasedRequest, findByRequestId } from "../request/lease.ts";
import { requestName } from "./node_message.ts";
import { relativePriority } from "./relative_priority.ts";
import { nodesOf, toRequest } from "./request_message.ts";
import { leaseSeconds, waitSeconds } from "./seconds.ts";
import type { Shared } from "./shared.ts";
import { untilDone } from "./until_done.ts";
import type { WaitingCall } from "./wait.ts";

const MAX_LABELS = 100;
const NORMAL_PRIORITY = 200;
const GONE = "it was released meanwhile, or its lease ran out: call again to make another";
const UUID = /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/;

/**
 * Asks for one node of each label, and waits for them when it is told to; repeated with the same request_id, it answers
 * with the same request.
 */
export async function createRequest(
  shared: Shared,
  request: CreateRequestRequest,
  call: WaitingCall,
): Promise<CreateRequestResponse> {
  const { environment } = shared;
  const wait = waitSeconds(request.waitDuration);
  const id = await writeWhenConnected(environment, () => made(shared, request), call.signal);
  if (wait !== undefined) await untilDone(shared, id, wait, call);
  const entry = environment.context.view.request(id);
  if (entry === undefined) throw notFound("request", requestName(id), GONE);
  return { request: toRequest(shared, entry), nodes: nodesOf(shared, entry) };
}

/** The id of the request, which is made unless there is one of this request_id. */
async function made(shared: Shared, request: CreateRequestRequest): Promise<string> {
  const { environment } = shared;
  const { context } = environment;
  const wish = request.request;
  if (wish === undefined) throw invalidArgument("request", "is missing: expected at least its labels");
  if (request.requestId !== "" && !UUID.test(request.requestId)) {
    throw invalidArgument("request_id", `'${request.requestId.slice(0, 60)}' is no UUID`);
  }
  const requestId = request.requestId || context.newUuid();
  // Before the labels are looked at: whoever offered them may have gone, and the request is there all the same.
  const known = findByRequestId(environment, requestId);
  if (known !== undefined) return known.id;
  checkLabels(shared, wish.labels);
  const priority = wish.priority === 0 ? NORMAL_PRIORITY : wish.priority;
  if (priority < 1 || priority > 999) {
    throw invalidArgument("request.priority", `${priority} is out of range: expected 1 to 999`);
  }
  const duration = leaseSeconds(request.leaseDuration) ?? 60;
  const make = () =>
    createLeasedRequest(environment, {
      labels: wish.labels,
      requestor: keptText("request.requestor", wish.requestor) || "grpc",
      priority,
      relativePriority: relativePriority(wish.relativePriority),
      provider: keptText("request.provider", wish.provider) || null,
      tenant: keptText("request.tenant", wish.tenant) || null,
      reuse: wish.reuse ?? true,
      eventId: keptText("request.event_id", wish.eventId) || context.newUuid().replaceAll("-", ""),
      requestId,
      duration,
      traceparent: currentTraceparent(),
    });
  return await once(shared, requestId, make);
}

function once({ creating }: Shared, requestId: string, make: () => Promise<string>): Promise<string> {
  const running = creating.get(requestId) ?? make().finally(() => creating.delete(requestId));
  creating.set(requestId, running);
  return running;
}

function checkLabels(shared: Shared, labels: readonly string[]): void {
  if (labels.length === 0) throw invalidArgument("request.labels", "is empty: expected at least one label");
  if (labels.length > MAX_LABELS) {
    throw invalidArgument("request.labels", `${labels.length} labels: expected at most ${MAX_LABELS}`);
  }
  const pools = [...shared.environment.context.view.pools()];
  const { world } = shared.engine.decided;
  // One that may be there soon is waited for.
  const isExpected = (label: string) =>
    expectedFor(world, pools, { nodeTypes: [label], declinedBy: [] }).length > 0;
  const unknown = labels.find(
    (label) => !pools.some(({ record }) => record?.supportedLabels.includes(label)) && !isExpected(label),
  );
  if (unknown === undefined) return;
  const known = new Set(pools.flatMap((pool) => pool.record?.supportedLabels ?? []));
  const none = pools.length === 0 ? "none (no launcher serves a pool)" : "none";
  const offered = [...known].sort().join(", ") || none;
  const reasons = explainLabel(shared.engine.decided, unknown)?.pools.map(({ reason }) => reason) ?? [];
  const problem =
    reasons.length === 0
      ? `there is no label '${unknown}'; known labels`
      : `no pool offers the label '${unknown}' (${reasons.join("; ")}); labels on offer`;
  throw invalidArgument("request.labels", `${problem}: ${offered}`);
}
