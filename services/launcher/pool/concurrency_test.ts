import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideIn, launch, node, pool, request, type Scene } from "../../../test/harness/world.ts";

const slow = pool("cloud/main", ["small"], { provider: { maxConcurrency: 1 } });
const pending = request("200-1", { state: "pending", locked: true });
const hand = { requests: new Map([["200-1", { pool: slow }]]) };
const own = { launcher: slow.id, allocatedTo: "200-1" };
/** What is done for a second request. */
const second = (scene: Scene) => {
  const requests = [pending, request("200-2")];
  return decideIn({ pools: [slow], requests, hand, ...scene }).actions.filter((action) =>
    /200-2/.test(action),
  );
};

describe("max-concurrency", () => {
  it("counts a node that is recorded and whose launch has not begun", () => {
    assert.deepEqual(second({ nodes: [node("0001", "init", own)] }), []);
    const begun = [node("0001", "building", { ...own, locked: true })];
    assert.deepEqual(second({ nodes: begun, busy: ["node:0001"] }), []);
  });

  it("counts no launch of another launcher, and none that has ended", () => {
    const serve = ["serve 200-2 at cloud/main with new"];
    const foreign = { launcher: "other cloud/main", allocatedTo: "200-9", locked: true };
    const alone = { requests: [request("200-2")], nodes: [node("0001", "building", foreign)] };
    assert.deepEqual(second(alone), serve);
    const ended = launch("0001", slow, { request: "200-1", status: "ready" });
    const nodes = [node("0001", "building", { ...own, locked: true })];
    assert.deepEqual(second({ nodes, hand: { ...hand, launches: new Map([ended]) } }), serve);
  });
});
