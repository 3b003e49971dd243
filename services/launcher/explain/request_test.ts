import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool } from "../../../test/harness/host_world.ts";
import { NOW, node, otherPool, pool, request, type Scene, world } from "../../../test/harness/world.ts";
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
    const retryAt = (key: string) => (key === "request:200-1" ? NOW + 2.5 : null);
    const waiting = explained({ requests: [request("200-1")], hand: { isBusy: () => true, retryAt } });
    assert.equal(waiting.summary, "something about it failed; next try in 3 s");
    const served = explained({ requests: [request("200-1")] });
    assert.deepEqual(served.pools, []);
  });

  it("is nothing while it is served, though another one for the same has to wait", () => {
    const begun = new Set<string>();
    const hand = { isBusy: (key: string) => begun.has(key) };
    const seen = world({ pools: [full], requests: [request("200-1"), request("200-2")], hand });
    const decision = decide(seen);
    begun.add("request:200-1");
    const told = [...seen.tree.requests()].map((entry) => explainRequest({ world: seen, decision }, entry));
    assert.deepEqual(
      told.map(({ summary, pools, before }) => [summary, pools.length, before?.count]),
      [
        ["it is being worked on", 0, undefined],
        ["cloud/main: max-servers is 1, in use 1, needed 1", 1, 1],
      ],
    );
  });

  it("is what is in the way of a node that a request in hand has lost", () => {
    const nodes = [node("0001", "in-use", { locked: true })];
    const lacking = request("200-1", { state: "pending", locked: true });
    const others = [request("100-2"), request("200-3")];
    const hand = { requests: new Map([["200-1", { pool: full }]]) };
    const scene = { pools: [full], nodes, requests: [lacking, ...others], hand };
    const told = explained(scene);
    assert.equal(told.summary, "cloud/main: max-servers is 1, in use 1, needed 1");
    assert.deepEqual(told.before, { count: 1, first: ["100-2"] });
    assert.deepEqual(
      told.pools.map(({ pool: name, verdict, rule, reason }) => [name, verdict, rule, reason]),
      [["cloud/main", "waits", "pool-limit", told.summary]],
    );
  });

  it("is who goes first, until that one has declined", () => {
    const others = [otherPool("b/main", ["small"], { priority: 10 })];
    const told = (more: object, given: Scene = {}) =>
      explained({ others, requests: [request("200-1", more)], ...given }).pools.map(
        ({ pool: name, verdict, reason, remedy }) => [name, verdict, reason, remedy],
      );
    const remedy = "the pool that goes first has to serve or decline it";
    assert.deepEqual(told({})[0], [
      "cloud/main",
      "yields",
      "cloud/main: waits for b/main, which has a higher priority",
      remedy,
    ]);
    const declined = told({ declinedBy: ["other b/main"] });
    assert.deepEqual(
      declined.map(([, verdict]) => verdict),
      ["declined"],
      "and cloud/main serves it",
    );
    const pools = [full, pool("a/main", ["small"])];
    const nodes = [node("0001", "in-use", { locked: true })];
    const preferring = told({ provider: "cloud" }, { pools, others: [], nodes });
    assert.deepEqual(preferring[1], [
      "a/main",
      "yields",
      "a/main: waits for preferred provider 'cloud'",
      remedy,
    ]);
    const last = [full, pool("cloud/last", ["small"], { priority: 200 })];
    assert.deepEqual(
      told({}, { pools: last, others: [otherPool("b/main", ["small"], { priority: 150 })], nodes })
        .filter(([, verdict]) => verdict !== "elsewhere")
        .map(([name, verdict]) => [name, verdict]),
      [
        ["cloud/main", "waits"],
        ["cloud/last", "yields"],
      ],
    );
  });

  it("is that it is switched off where it offers nothing for that, not that it lacks the label", () => {
    const off = pool("cloud/off", ["small", "large"], { maxServers: 0 });
    const other = pool("cloud/other", ["large"]);
    const nodes = [node("0001", "in-use", { locked: true })];
    const both = pool("cloud/none", ["large"], { maxServers: 0 });
    const { pools } = explained({ pools: [off, full, other, both], nodes, requests: [request("200-1")] });
    assert.deepEqual(
      pools.map(({ pool: name, verdict, rule, remedy }) => [name, verdict, rule, remedy]),
      [
        [
          "cloud/main",
          "waits",
          "pool-limit",
          "nodes of the pool have to go (released, deleted, unheld), or its limit be raised",
        ],
        ["cloud/off", "never", "disabled", "set max-servers and max-concurrency above 0"],
        [
          "cloud/none",
          "not-offered",
          "",
          "add the label to the pool, and set max-servers and max-concurrency above 0",
        ],
        ["cloud/other", "not-offered", "", "add the label to the pool"],
      ],
    );
  });
});

describe("what a pool says of a request that it has declined", () => {
  const three = { nodeTypes: ["small", "small", "small"] };
  const low = pool("cloud/main", ["small"], { maxServers: 2 });
  const extra = {
    reason: "b/main: max-servers is 3, in use 1, needed 3; cloud/main: no valid host was found",
  };
  const told = (scene: Scene) =>
    explained(scene).pools.map(({ pool: name, rule, reason, remedy }) => [name, rule, reason, remedy]);

  it("is what would have to change before a new request is of any use", () => {
    const fields = { ...three, extra, declinedBy: ["cloud/main"], state: "failed" as const };
    assert.deepEqual(told({ pools: [low], requests: [request("200-1", fields)] }), [
      [
        "cloud/main",
        "impossible",
        "cloud/main: has declined: no valid host was found; it would again, now: it would exceed the quota: " +
          "max-servers is 2, in use 0, needed 3",
        "raise the limit, or ask for fewer or smaller nodes at once; then ask again with a new request",
      ],
    ]);
    const unknown = request("200-1", { nodeTypes: ["large", "huge"], state: "failed" });
    assert.deepEqual(told({ pools: [low], requests: [unknown] }), [
      [
        "cloud/main",
        "",
        "cloud/main: does not offer 'large', 'huge'",
        "add the labels to the pool; then ask again with a new request",
      ],
    ]);
  });

  it("is that others use too much, where it would fit without them", () => {
    const fields = { declinedBy: ["cloud/main"], state: "failed" as const };
    const hand = {
      limits: new Map([["cloud", { instances: 2 }]]),
      foreign: new Map([["cloud", { instances: 2 }]]),
    };
    const quota =
      "cloud/main: has declined: it would exceed the quota: the provider's quota of instances is 2";
    const ask = (nodeTypes: string[]) =>
      told({ hand, requests: [request("200-1", { ...fields, nodeTypes })] })[0];
    const [, rule, reason, remedy] = ask(["small"]) ?? [];
    assert.deepEqual([rule, reason], ["foreign-use", `${quota}, in use 2 (2 of it not ours), needed 1`]);
    assert.match(remedy ?? "", /^instances there that are not ours have to go/);
    const three = ask(["small", "small", "small"]) ?? [];
    assert.deepEqual(three.slice(1, 3), ["impossible", `${quota}, in use 0, needed 3`]);
    const said = { reason: `${quota.replace(" has declined:", "")}, in use 0, needed 3` };
    const written = request("200-1", { ...fields, nodeTypes: ["small", "small", "small"], extra: said });
    assert.equal(told({ hand, requests: [written] })[0]?.[2], three[2], "it is said once");
  });

  it("is that it has too few hosts, for which no limit can be raised", () => {
    const fields = {
      extra,
      declinedBy: ["lab/main"],
      state: "failed" as const,
      nodeTypes: ["small", "small"],
    };
    const [[, rule, reason, remedy] = []] = told({
      pools: [hostPool("lab/main", [host()])],
      requests: [request("200-1", fields)],
    });
    assert.equal(rule, "too-few-hosts");
    assert.match(reason ?? "", /it can never have 2 of 'small', of which its hosts have 1$/);
    assert.match(remedy ?? "", /^add hosts that have these labels, raise their max-parallel-jobs, or/);
  });

  it("is its own reason, not that of another pool", () => {
    const fields = { extra, declinedBy: ["cloud/main", "other b/main", "c/main"], state: "failed" as const };
    const pools = [low, pool("c/main", ["small"])];
    const others = [otherPool("b/main", ["small"])];
    const again = "ask again with a new request";
    assert.deepEqual(told({ pools, others, requests: [request("200-1", fields)] }), [
      [
        "b/main",
        "",
        "b/main: has declined: max-servers is 3, in use 1, needed 3",
        `ask its launcher what would have to change; then ${again}`,
      ],
      ["c/main", "", "c/main: has declined", again],
      ["cloud/main", "", "cloud/main: has declined: no valid host was found", again],
    ]);
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

describe("what is told of a request beside its pools", () => {
  it("is its age and who made it, and what it wishes beyond its labels", () => {
    const plain = request("200-1", { createdTime: NOW - 7, requestor: null });
    assert.deepEqual(explained({ requests: [plain] }).facts, ["it was made 7 s ago by nobody named"]);
    const wishes = { createdTime: null, provider: "cloud", reuse: false, tenantName: "acme" };
    assert.deepEqual(explained({ requests: [request("200-1", wishes)] }).facts, [
      "it was made 10 s ago by zuul",
      "it prefers provider 'cloud'",
      "it takes no node that was ready before",
      "it counts for tenant 'acme'",
    ]);
  });

  it("is why its document cannot be read, alone", () => {
    const broken = { ...request("200-1"), record: null, problem: "it is no JSON" };
    assert.deepEqual(explained({ requests: [broken] }), {
      summary: "it is no JSON",
      pools: [],
      before: null,
      facts: [],
    });
  });
});
