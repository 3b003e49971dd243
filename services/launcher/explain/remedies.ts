// What would have to change for each rule to be out of the way.
import type { Rule } from "../pool/obstacle.ts";

const REMEDIES: Readonly<Record<Rule, string>> = {
  disabled: "set max-servers and max-concurrency above 0",
  image: "an upload of the image has to become ready; see nodepool image-status",
  impossible: "raise the limit, or ask for fewer or smaller nodes at once",
  "foreign-use": "instances there that are not ours have to go, or the provider's quota has to be raised",
  "too-few-hosts":
    "add hosts that have these labels, raise their max-parallel-jobs, or ask for fewer nodes at once",
  tenant:
    "nodes of the tenant have to go (released, deleted, unheld), or its limit in tenant-resource-limits be raised",
  limits: "the provider has to answer; after 10 s launches begin without that",
  refused:
    "it is tried again then by itself; it succeeds when instances at the provider have gone, or its quota was raised",
  concurrency: "launches under way have to end, or max-concurrency has to be raised",
  aging: "the request before it has to be served or withdrawn",
  "pool-limit": "nodes of the pool have to go (released, deleted, unheld), or its limit be raised",
  "provider-limit": "instances at the provider have to go, or its quota has to be raised",
  reuse: "let the request take nodes that are ready: there are no others",
  hosts:
    "nodes of these hosts have to be released or unheld, or hosts to come back into service; see nodepool list",
  "host-check": "the host has to answer; nodepool explain node ID says what its last check found",
};

export function remedyOf(rule: Rule): string {
  return REMEDIES[rule];
}
