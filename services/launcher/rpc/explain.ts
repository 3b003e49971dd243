import { invalidArgument, notFound } from "../../../lib/rpc/errors.ts";
import {
  type ExplainRequest,
  ExplainResponse,
  PoolExplanation_Verdict as Verdicts,
} from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import type { World } from "../actions.ts";
import { keyOfLost } from "../cleanup/compare.ts";
import { driverOf } from "../environment.ts";
import type { Decided, Explanation, Verdict } from "../explain/explanation.ts";
import { explainLabel } from "../explain/label.ts";
import { explainNode } from "../explain/node.ts";
import { explainRequest } from "../explain/request.ts";
import { requestName } from "./node_message.ts";
import { currentView, findNode, findRequest, type Shared } from "./shared.ts";

const VERDICTS: Readonly<Record<Verdict, Verdicts>> = {
  able: Verdicts.VERDICT_ABLE,
  waits: Verdicts.VERDICT_WAITS,
  never: Verdicts.VERDICT_NEVER,
  "not-offered": Verdicts.VERDICT_NOT_OFFERED,
  declined: Verdicts.VERDICT_DECLINED,
  elsewhere: Verdicts.VERDICT_ELSEWHERE,
  yields: Verdicts.VERDICT_YIELDS,
};

/** Why a request waits, a node is as it is, or a label has no more nodes. */
export async function explain(shared: Shared, { name }: ExplainRequest): Promise<ExplainResponse> {
  const { summary, pools, before, facts } = await find(shared, name);
  return ExplainResponse.fromPartial({
    summary,
    pools: pools.map(({ pool, verdict, rule, reason, remedy }) => {
      const slash = pool.indexOf("/");
      const [provider, own] = [pool.slice(0, slash), pool.slice(slash + 1)];
      return { provider, pool: own, verdict: VERDICTS[verdict], rule, reason, remedy };
    }),
    ...(before === null ? {} : { requestsBefore: before.count }),
    firstBefore: before?.first.map(requestName) ?? [],
    facts: [...facts],
  });
}

/** All labels that can be explained. */
function labelsIn({ config, tree }: World): string {
  const offered = [...tree.pools()].flatMap(({ record }) => record?.supportedLabels ?? []);
  return [...new Set([...config.labels.keys(), ...offered])].sort().join(", ") || "none";
}

function explainLost({ environment }: Shared, decided: Decided, node: NodeEntry): Explanation {
  const provider = node.record?.provider ?? null;
  if (provider === null || driverOf(environment, provider) === undefined) return explainNode(decided, node);
  const brake = environment.brakes.of(provider, "nodes");
  const at = brake.suspectedAt(keyOfLost(provider, node.id));
  const stopped = brake.decision.on ? brake.decision.reason : "";
  return explainNode(decided, node, at === null ? null : { at, stopped });
}

async function find(shared: Shared, name: string): Promise<Explanation> {
  currentView(shared);
  const { decided } = shared.engine;
  const slash = name.indexOf("/");
  switch (name.slice(0, Math.max(0, slash))) {
    case "nodeRequests":
      return explainRequest(decided, await findRequest(shared, name));
    case "nodes":
      return explainLost(shared, decided, await findNode(shared, name));
    case "labels": {
      // A label of another make may have a slash of its own.
      const explanation = explainLabel(decided, name.slice(slash + 1));
      if (explanation === null) throw notFound("label", name, `known labels: ${labelsIn(decided.world)}`);
      return explanation;
    }
    default:
      throw invalidArgument("name", `'${name}' is none of nodeRequests/ID, nodes/ID, labels/NAME`);
  }
}
