import assert from "node:assert/strict";
import { test } from "node:test";
import { decideIn, node, pool, request } from "../../../test/harness/world.ts";

// Its instance counts for the provider's quota, as one that no node knows: see the tests of limits.
test("a node whose document cannot be read is in no pool, for nobody knows in which", () => {
  const one = pool("cloud/main", ["small"], { maxServers: 1 });
  const readable = node("0001", "in-use", { locked: true });
  const broken = { ...readable, record: null, problem: "it is no JSON" };
  const served = (entry: typeof readable) =>
    decideIn({ pools: [one], nodes: [entry], requests: [request("200-1")] }).actions;
  assert.deepEqual(served(readable), []);
  assert.deepEqual(served(broken), ["serve 200-1 at cloud/main with new"]);
});
