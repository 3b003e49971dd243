// nodepool request --detach: what becomes of the nodes when they are handed over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { unavailable } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool } from "./harness_test.ts";

const NAME = "nodeRequests/200-0000000007";

/** A launcher that serves a request at once, and what it was asked for. */
function launcher(renewRequest: () => Promise<object>) {
  const seen: string[] = [];
  const request = { name: NAME, state: "STATE_FULFILLED" } as const;
  const requests: Answers["requests"] = {
    createRequest: async () => {
      seen.push("create");
      return { request: { name: NAME } };
    },
    watchRequest: async function* (_request, { signal }) {
      yield { event: { $case: "status", value: { request, nodes: [] } } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    renewRequest,
    releaseRequest: async () => {
      seen.push("release");
      return {};
    },
  };
  return { answers: { requests }, seen };
}

test("a lease that no launcher grants is refused before anything is asked for", async () => {
  const { answers, seen } = launcher(async () => ({}));
  const { code, stderr } = await nodepool(answers, ["request", "debian", "--detach", "--lease", "2d"]);
  assert.equal(code, 2);
  assert.match(stderr, /--lease 2d: expected at most 1d/);
  assert.deepEqual(seen, []);
});

test("a launcher that is restarted when the nodes are handed over costs none of them", async () => {
  let calls = 0;
  const { answers, seen } = launcher(async () => {
    calls += 1;
    if (calls < 6) throw unavailable("DRAINING", "going", 1);
    return {};
  });
  const { code } = await nodepool(answers, ["request", "debian", "--detach"]);
  assert.equal(code, 0);
  assert.deepEqual(seen, ["create"]);
});
