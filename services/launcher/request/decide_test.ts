import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decideIn,
  launch,
  NOW,
  node,
  otherPool,
  pool,
  request,
  type Scene,
} from "../../../test/harness/world.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;

describe("which node a request gets", () => {
  it("gets the oldest ready node of its label", () => {
    const nodes = [node("0002", "ready"), node("0001", "ready"), node("0000", "ready", { type: ["large"] })];
    assert.deepEqual(actionsIn({ nodes, requests: [request("200-1")] }), [
      "serve 200-1 at cloud/main with 0001",
    ]);
  });

  it("gets no node that is allocated, locked, busy, of another pool or not ready", () => {
    const nodes = [
      node("0001", "ready", { allocatedTo: "200-9" }),
      node("0002", "ready", { locked: true }),
      node("0003", "ready"),
      node("0004", "ready", { provider: "elsewhere" }),
      node("0005", "building", { locked: true }),
    ];
    const requests = [request("200-1"), request("200-9", { state: "fulfilled" })];
    assert.deepEqual(actionsIn({ nodes, requests, busy: ["node:0003"] }), [
      "serve 200-1 at cloud/main with new",
    ]);
  });

  it("gets a ready node whatever is in the way of launches", () => {
    const nodes = [node("0001", "ready")];
    const elder = request("100-1", { nodeTypes: ["large"], createdTime: NOW - 61 });
    const scenes: Scene[] = [
      { imageAt: [] },
      { hand: { quotaBlocks: new Map([["cloud", NOW + 3]]) } },
      { hand: { asking: new Set(["cloud"]) } },
      { hand: { limits: new Map([["cloud", { instances: 0 }]]) } },
      { pools: [pool("cloud/main", ["small", "large"], { maxServers: 1 })], requests: [elder] },
    ];
    for (const scene of scenes) {
      const requests = [...(scene.requests ?? []), request("200-1")];
      const { actions } = decideIn({ ...scene, nodes: [...nodes, node("0002", "used")], requests });
      assert.ok(actions.includes("serve 200-1 at cloud/main with 0001"), actions.join());
    }
  });

  it("gets a new node when it does not want a used one", () => {
    const scene = { nodes: [node("0001", "ready")], requests: [request("200-1", { reuse: false })] };
    assert.deepEqual(actionsIn(scene), ["serve 200-1 at cloud/main with new"]);
  });

  it("gets ready nodes and new ones together, one per label in its order", () => {
    const requests = [request("200-1", { nodeTypes: ["large", "small", "small"] })];
    const nodes = [node("0001", "ready")];
    assert.deepEqual(actionsIn({ nodes, requests }), ["serve 200-1 at cloud/main with new,0001,new"]);
  });

  it("never shares a node with another request", () => {
    const scene = { nodes: [node("0001", "ready")], requests: [request("200-1"), request("200-2")] };
    assert.deepEqual(actionsIn(scene), [
      "serve 200-1 at cloud/main with 0001",
      "serve 200-2 at cloud/main with new",
    ]);
    const nodes = [node("0001", "ready"), node("0002", "ready", { type: ["small", "large"] })];
    const requests = [
      request("200-1", { nodeTypes: ["large"] }),
      request("200-2", { nodeTypes: ["small", "small"] }),
    ];
    assert.deepEqual(actionsIn({ nodes, requests }), [
      "serve 200-1 at cloud/main with 0002",
      "serve 200-2 at cloud/main with 0001,new",
    ]);
  });
});

describe("what waits after a lost race", () => {
  for (const what of ["request:200-1", "node:0001", "label:large"]) {
    it(`is looked at again when its pause ends, also when that is while it is looked at: ${what}`, () => {
      for (const ends of [1, 2, 3, 4, 5, 6]) {
        let answers = 0;
        const isPausing = (key: string) => {
          if (key === what) answers += 1;
          return key === what && answers < ends;
        };
        const hand = { isBusy: isPausing, retryAt: (key: string) => (isPausing(key) ? NOW + 0.001 : null) };
        const { actions, wakeAt } = decideIn({
          nodes: [node("0001", "ready")],
          requests: [request("200-1")],
          labels: { large: { minReady: 1 } },
          hand,
        });
        const isDone = ["serve 200-1 at cloud/main with 0001", "ask for 1 large"].every((action) =>
          actions.includes(action),
        );
        assert.ok(isDone || (wakeAt ?? Infinity) <= NOW + 0.001, `it ended at answer ${ends}: ${actions}`);
      }
    });
  }
});

describe("the order of requests", () => {
  const one = pool("cloud/main", ["small"], { maxServers: 1 });

  it("is priority, then relative priority, then age", () => {
    const served = (requests: Scene["requests"]) =>
      actionsIn({ pools: [one], requests: requests ?? [] }).map((text) => text.split(" ")[1]);
    assert.deepEqual(served([request("300-1"), request("100-2"), request("200-3")]), ["100-2"]);
    const relative = [request("200-1", { relativePriority: 5 }), request("200-2", { relativePriority: -1 })];
    assert.deepEqual(served(relative), ["200-2"]);
    assert.deepEqual(served([request("200-2"), request("200-1")]), ["200-1"]);
  });

  it("lets a small request pass a big one that waits for room", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const nodes = [node("0001", "in-use", { locked: true })];
    const big = request("200-1", { nodeTypes: ["small", "small"] });
    const decision = decideIn({ pools: [two], nodes, requests: [big, request("200-2")] });
    assert.deepEqual(decision.actions, ["serve 200-2 at cloud/main with new"]);
    assert.deepEqual(decision.reasons, { "200-1": "cloud/main: max-servers is 2, in use 1, needed 2" });
    assert.equal(decision.wakeAt, NOW + 50, "when it has waited for 60 s");
  });

  it("keeps the room for a request that has waited for a minute", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const nodes = [node("0001", "in-use", { locked: true })];
    const big = request("200-1", { nodeTypes: ["small", "small"], createdTime: NOW - 61 });
    const decision = decideIn({ pools: [two], nodes, requests: [big, request("200-2")] });
    assert.deepEqual(decision.actions, []);
    assert.match(decision.reasons["200-2"] ?? "", /request 200-1 has waited long/);
  });

  it("keeps requests for min-ready from the room that another one waits for, however long that is", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const nodes = [node("0001", "in-use", { locked: true })];
    const big = (createdTime: number) => request("200-1", { nodeTypes: ["small", "small"], createdTime });
    const own = request("900-2", { requestor: "NodePool:min-ready" });
    const reason = (age: number) =>
      decideIn({ pools: [two], nodes, requests: [big(NOW - age), own] }).reasons["900-2"];
    assert.equal(reason(5), "cloud/main: request 200-1 waits for room and goes first");
    assert.equal(reason(61), "cloud/main: request 200-1 has waited long and gets the next free room");
  });

  it("keeps no room for one of min-ready, however long that has waited", () => {
    const cores = (label: string) => (label === "large" ? 4 : 1);
    const five = {
      ...pool("cloud/main", ["small", "large"], { maxCores: 5 }),
      resourcesOf: (label: string) => ({ instances: 1, cores: cores(label) }),
    };
    const own = { requestor: "NodePool:min-ready", createdTime: NOW - 3600 };
    const requests = [
      request("900-1", { ...own, nodeTypes: ["large"] }),
      request("900-2", { ...own, createdTime: NOW }),
    ];
    const nodes = [node("0001", "in-use", { locked: true, resources: { cores: 2 } })];
    assert.deepEqual(actionsIn({ pools: [five], nodes, requests }), ["serve 900-2 at cloud/main with new"]);
  });

  it("keeps what a provider gives for such a request in all its pools", () => {
    const pools = [pool("cloud/main", ["small"]), pool("cloud/other", ["large"]), pool("b/main", ["large"])];
    const requests = (createdTime: number) => [
      request("200-1", { nodeTypes: ["small", "small"], createdTime }),
      request("200-2", { nodeTypes: ["large"] }),
    ];
    const hand = { limits: new Map([["cloud", { instances: 2 }]]) };
    const scene = { pools, hand, nodes: [node("0001", "in-use", { locked: true })] };
    const young = requests(NOW - 59);
    assert.deepEqual(actionsIn({ ...scene, requests: young }), ["serve 200-2 at cloud/other with new"]);
    const old = requests(NOW - 61);
    assert.deepEqual(actionsIn({ ...scene, requests: old }), ["serve 200-2 at b/main with new"]);
  });

  it("lets nobody launch before a request that has waited for its launches for a minute", () => {
    const slow = pool("cloud/main", ["small"], { provider: { maxConcurrency: 2 } });
    const actions = (createdTime: number) =>
      actionsIn({
        pools: [slow],
        nodes: [node("0001", "building", { locked: true })],
        hand: { launches: new Map([launch("0001", slow)]) },
        requests: [request("200-1", { nodeTypes: ["small", "small"], createdTime }), request("200-2")],
      });
    assert.deepEqual(actions(NOW - 59), ["serve 200-2 at cloud/main with new"]);
    assert.deepEqual(actions(NOW - 61), []);
  });
});

describe("which pool serves", () => {
  const high = pool("alpha/main", ["small"], { priority: 1 });
  const low = pool("beta/main", ["small"], { priority: 2 });

  it("is the one with the smallest priority number that has room", () => {
    assert.deepEqual(actionsIn({ pools: [low, high], requests: [request("200-1")] }), [
      "serve 200-1 at alpha/main with new",
    ]);
    const full = pool("alpha/main", ["small"], { priority: 1, maxServers: 1 });
    const nodes = [node("0001", "in-use", { provider: "alpha", locked: true })];
    assert.deepEqual(actionsIn({ pools: [low, full], nodes, requests: [request("200-1")] }), [
      "serve 200-1 at beta/main with new",
    ]);
  });

  it("is, among equals, the one whose nodes are ready", () => {
    const pools = [pool("alpha/main", ["small"]), pool("beta/main", ["small"])];
    const nodes = [node("0001", "ready", { provider: "beta" })];
    assert.deepEqual(actionsIn({ pools, nodes, requests: [request("200-1")] }), [
      "serve 200-1 at beta/main with 0001",
    ]);
  });

  it("is one of the preferred provider while that can serve", () => {
    const requests = [request("200-1", { provider: "beta" })];
    assert.deepEqual(actionsIn({ pools: [high, low], requests }), ["serve 200-1 at beta/main with new"]);
    assert.deepEqual(actionsIn({ pools: [high], requests }), ["serve 200-1 at alpha/main with new"]);
  });

  it("is left to another launcher's pool of the preferred provider", () => {
    const scene = {
      others: [otherPool("beta/main", ["small"])],
      requests: [request("200-1", { provider: "beta" })],
    };
    const { actions, reasons } = decideIn(scene);
    assert.deepEqual(actions, []);
    assert.match(reasons["200-1"] ?? "", /preferred provider 'beta'/);
  });

  it("is one of the preferred provider also where another launcher's pool has a higher priority", () => {
    const requests = [request("200-1", { provider: "beta" })];
    const others = [otherPool("alpha/main", ["small"], { priority: 1 })];
    assert.deepEqual(actionsIn({ pools: [low], others, requests }), ["serve 200-1 at beta/main with new"]);
    const second = [otherPool("beta/big", ["small"], { priority: 1 })];
    assert.deepEqual(actionsIn({ pools: [low], others: second, requests }), [], "it has another such pool");
    assert.deepEqual(
      actionsIn({ pools: [high, low], others: second, requests }),
      [],
      "whatever else we have",
    );
    const last = [otherPool("beta/big", ["small"], { priority: 3 })];
    assert.deepEqual(actionsIn({ pools: [low], others: last, requests }), [
      "serve 200-1 at beta/main with new",
    ]);
  });

  it("is left to another launcher's pool of higher priority, unless that is paused", () => {
    const first = { priority: 1 };
    const scene = (more: object): Scene => ({
      others: [otherPool("beta/main", ["small"], { ...first, ...more })],
      requests: [request("200-1")],
    });
    assert.deepEqual(actionsIn(scene({})), []);
    assert.match(
      decideIn(scene({})).reasons["200-1"] ?? "",
      /waits for beta\/main, which has a higher priority/,
    );
    assert.equal(actionsIn(scene({ paused: true })).length, 1);
  });

  it("is not one of ours before which another launcher's pool comes, while one that comes first has no room", () => {
    const full = pool("alpha/main", ["small"], { priority: 1, maxServers: 1 });
    const scene = (more: object): Scene => ({
      pools: [full, pool("gamma/main", ["small"], { priority: 3 })],
      others: [otherPool("beta/main", ["small"], { priority: 2, ...more })],
      nodes: [node("0001", "in-use", { provider: "alpha", locked: true })],
      requests: [request("200-1")],
    });
    const { actions, paused } = decideIn(scene({}));
    assert.deepEqual({ actions, paused }, { actions: [], paused: ["alpha/main"] });
    assert.deepEqual(actionsIn(scene({ paused: true })), ["serve 200-1 at gamma/main with new"]);
  });
});
