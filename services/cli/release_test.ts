// nodepool release of several requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { failedPrecondition, invalidArgument } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool } from "./harness_test.ts";

test("a request that is refused keeps none of those behind it, and each refusal is told", async () => {
  const released: string[] = [];
  const requests: Answers["requests"] = {
    releaseRequest: async ({ name = "" }) => {
      if (name.endsWith("zuul")) throw failedPrecondition("NO_LEASE", "it has no lease");
      if (name.endsWith("/b")) throw invalidArgument("name", "is no request");
      released.push(name);
      return {};
    },
  };
  const { code, stderr } = await nodepool({ requests }, ["release", "zuul", "a/b", "200-0000000009"]);
  assert.deepEqual(released, ["nodeRequests/200-0000000009"]);
  assert.deepEqual(stderr.split("\n").sort(), [
    "",
    "nodepool: it has no lease",
    "nodepool: name: is no request",
  ]);
  assert.equal(code, 1);
});
