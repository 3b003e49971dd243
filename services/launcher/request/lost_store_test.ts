// A launched node that was stored for its request, of which the launcher has not heard.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideIn, launch, node, pool, request } from "../../../test/harness/world.ts";

describe("a request in hand whose node was stored without an answer", () => {
  const served = pool("cloud/main", ["small"]);
  const requests = [request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"] })];
  const stored = node("0001", "ready", { allocatedTo: "200-1" });
  const launched = launch("0001", served, { request: "200-1", status: "ready" });
  const hand = (...launches: ReturnType<typeof launch>[]) => ({
    requests: new Map([["200-1", { pool: served }]]),
    launches: new Map(launches),
  });

  it("waits until the launch is let go, while its other node is launched and when that is there", () => {
    const building = node("0002", "building", { allocatedTo: "200-1", locked: true });
    const launching = launch("0002", served, { request: "200-1" });
    assert.deepEqual(
      decideIn({ nodes: [stored, building], requests, hand: hand(launched, launching) }).actions,
      ["abandon 0001: is ready"],
    );
    const other = node("0002", "ready", { allocatedTo: "200-1" });
    assert.deepEqual(decideIn({ nodes: [stored, other], requests, hand: hand(launched) }).actions, [
      "abandon 0001: is ready",
    ]);
  });

  it("gets the node then", () => {
    const other = node("0002", "ready", { allocatedTo: "200-1" });
    assert.deepEqual(decideIn({ nodes: [stored, other], requests, hand: hand() }).actions, [
      "fulfil 200-1 with 0001,0002",
    ]);
  });
});
