import assert from "node:assert/strict";
import { test } from "node:test";
import { decideIn, node, pool, request, world } from "../../../test/harness/world.ts";

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

test("a node whose resources are not recorded counts with what its label takes, as soon as that is known", () => {
  let known: Record<string, number> = { instances: 1 };
  const one = { ...pool("cloud/main", ["small"]), resourcesOf: () => known };
  const { index } = world({
    pools: [one],
    nodes: [node("0001", "in-use", { resources: null, locked: true })],
  });
  index.nodes.update("0001");
  assert.deepEqual(index.nodes.usedByPool("cloud/main"), { instances: 1 });
  known = { instances: 1, cores: 4 };
  index.nodes.update("0001");
  assert.deepEqual(index.nodes.usedByPool("cloud/main"), { instances: 1, cores: 4 });
});

test("a ready node becomes unsettled when its pool is retired, though its record stays as it is", () => {
  const retired = new Set<string>();
  const { index } = world({
    pools: [],
    nodes: [node("0001", "ready", { provider: "gone" })],
    hand: { retired },
  });
  index.nodes.update("0001");
  assert.deepEqual([...index.nodes.unsettled], []);
  retired.add("gone/main");
  index.nodes.update("0001");
  assert.deepEqual([...index.nodes.unsettled], ["0001"]);
});
