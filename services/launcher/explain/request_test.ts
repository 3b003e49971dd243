import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import type { Explanation } from "./explanation.ts";
import { explainRequest } from "./request.ts";

/** What is told of the first request of a scene. */
function explained(scene: Scene): Explanation {
  const seen = world(scene);
  const [entry] = seen.tree.requests();
  assert.ok(entry);
  return explainRequest({ world: seen, decision: decide(seen) }, entry);
}

const full = pool("cloud/main", ["small"], { maxServers: 1, maxCores: 1 });

describe("what pools say of a request", () => {
  it("is nothing while it is in somebody's hands: none goes before another then", () => {
    const locked = explained({ pools: [full], requests: [request("200-1", { locked: true })] });
    assert.equal(locked.summary, "another launcher, or who revises it, has it locked");
    assert.deepEqual(locked.pools, []);
    const busy = explained({ requests: [request("200-1")], busy: ["request:200-1"] });
    assert.equal(busy.summary, "it is being worked on");
    assert.deepEqual(busy.pools, []);
    const served = explained({ requests: [request("200-1")] });
    assert.deepEqual(served.pools, []);
  });
});
