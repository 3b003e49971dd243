// What would have to change for each rule to be out of the way.
import type { Rule } from "../pool/obstacle.ts";

const REMEDIES: Readonly<Record<Rule, string>> = {
  disabled: "set max-servers and max-concurrency above 0",
  image: "an upload of the image has to become ready; see nodepool image-status",
  impossible: "raise the limit, or ask for less at once",
  tenant: "nodes of the tenant have to be returned, or its limit in tenant-resource-limits raised",
  limits: "the provider has to answer",
  refused: "instances at the provider have to go, or its quota has to be raised",
  concurrency: "launches under way have to end, or max-concurrency has to be raised",
  aging: "the request before it has to be served or withdrawn",
  "pool-limit": "nodes of the pool have to be returned, or its limit raised",
  "provider-limit": "instances at the provider have to go, or its quota has to be raised",
  reuse: "let the request take nodes that are ready: there are no others",
  hosts: "nodes of these hosts have to be returned, or hosts to come back into service; see nodepool list",
  "host-check": "the host has to answer; nodepool explain node ID says what its last check found",
};

export function remedyOf(rule: Rule): string {
  return REMEDIES[rule];
}
