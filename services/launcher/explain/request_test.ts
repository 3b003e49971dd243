import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { node, pool, request, type Scene, world } from "../../../test/harness/world.ts";
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

const full = pool("cloud/main", ["small"], { maxServers: 1 });

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

  it("is that it is switched off where it offers nothing for that, not that it lacks the label", () => {
    const off = pool("cloud/off", ["small", "large"], { maxServers: 0 });
    const other = pool("cloud/other", ["large"]);
    const nodes = [node("0001", "in-use", { locked: true })];
    const { pools } = explained({ pools: [off, full, other], nodes, requests: [request("200-1")] });
    assert.deepEqual(
      pools.map(({ pool: name, verdict, rule, remedy }) => [name, verdict, rule, remedy]),
      [
        ["cloud/main", "waits", "pool-limit", "nodes of the pool have to be returned, or its limit raised"],
        ["cloud/off", "never", "disabled", "set max-servers and max-concurrency above 0"],
        ["cloud/other", "not-offered", "", "add the label to the pool"],
      ],
    );
  });
});

describe("the summary of a request", () => {
  it("is not why one pool has declined it while another launcher has it in hand", () => {
    const extra = {
      reason: "beta/main: image 'image' of label 'small' has no ready upload at provider 'beta'",
    };
    const fields = { declinedBy: ["beta/main"], extra, locked: true };
    const pending = explained({ requests: [request("200-1", { ...fields, state: "pending" })] });
    assert.equal(pending.summary, "another launcher works on it");
    const failed = explained({ requests: [request("200-1", { ...fields, state: "failed" })] });
    assert.equal(failed.summary, extra.reason);
  });
});
