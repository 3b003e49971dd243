import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NODE_STATES, type NodeRecord } from "../../../lib/model/node.ts";
import { decideIn, launch, NOW, node, pool, request, type Scene } from "../../../test/harness/world.ts";
import type { Claim } from "../actions.ts";
import type { ServedPool } from "../pool/served.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const claim = (served: ServedPool, more: Partial<Claim>): Claim => ({
  pool: served,
  tenant: null,
  labels: [],
  reused: new Map(),
  before: new Set(),
  links: [],
  ...more,
});

describe("a request that waits for room", () => {
  it("makes room by the oldest idle node of other labels, one at a time", () => {
    const two = pool("cloud/main", ["small", "large"], { maxServers: 2 });
    const nodes = [node("0002", "ready", { type: ["large"] }), node("0001", "ready", { type: ["large"] })];
    const decision = decideIn({ pools: [two], nodes, requests: [request("200-1")] });
    assert.deepEqual(decision.actions, ["delete 0001: makes room for request 200-1"]);
    assert.deepEqual(decision.paused, ["cloud/main"]);
    const leaving = [node("0001", "deleting", { locked: true }), node("0002", "ready", { type: ["large"] })];
    assert.deepEqual(actionsIn({ pools: [two], nodes: leaving, requests: [request("200-1")] }), []);
    const begun = { pools: [two], nodes, requests: [request("200-1")], busy: ["node:0001"] };
    assert.deepEqual(actionsIn(begun), [], "it is just being sent to its deletion");
    const both = [request("200-1"), request("200-2", { nodeTypes: ["small", "small"] })];
    assert.deepEqual(
      actionsIn({ pools: [two], nodes, requests: both }),
      decision.actions,
      "for all who wait",
    );
  });

  it("waits five minutes for a node that leaves, and has another one go when its provider cannot delete it", () => {
    const four = pool("cloud/main", ["small", "large"], { maxServers: 4 });
    const decision = (age: number) => {
      const leaving = ["0001", "0002", "0003"].map((id, index) =>
        node(id, "deleting", { locked: true, stateTime: NOW - age - (index === 1 ? 0 : 200) }),
      );
      const nodes = [...leaving, node("0004", "ready", { type: ["large"] })];
      return decideIn({ pools: [four], nodes, requests: [request("200-1")] });
    };
    assert.deepEqual(decision(250).actions, []);
    assert.equal(decision(250).wakeAt, NOW + 50);
    assert.deepEqual(decision(300).actions, ["delete 0004: makes room for request 200-1"]);
  });

  it("counts cores, memory and the provider's own limits too", () => {
    const nodes = [node("0001", "in-use", { locked: true })];
    const cores = pool("cloud/main", ["small"], { maxCores: 3 });
    const ram = pool("cloud/main", ["small"], { maxRam: 1500 });
    const why = (served: ReturnType<typeof pool>, hand = {}) =>
      decideIn({ pools: [served], nodes, hand, requests: [request("200-1")] }).reasons["200-1"];
    assert.equal(why(cores), "cloud/main: max-cores is 3, in use 2, needed 2");
    assert.equal(why(ram), "cloud/main: max-ram is 1500 MiB, in use 1024 MiB, needed 1024 MiB");
    const limits = { limits: new Map([["cloud", { instances: 1 }]]) };
    const plain = pool("cloud/main", ["small"]);
    assert.equal(
      why(plain, limits),
      "cloud/main: the provider's quota of instances is 1, in use 1, needed 1",
    );
    const ignoring = pool("cloud/main", ["small"], { ignoreProviderQuota: true });
    assert.equal(why(ignoring, limits), undefined);
    const without = { ...plain, resourcesOf: () => ({ instances: 1, volumes: 0 }) };
    const usedUp = {
      limits: new Map([["cloud", { volumes: 1 }]]),
      foreign: new Map([["cloud", { volumes: 2 }]]),
    };
    const scene = { pools: [without], nodes, hand: usedUp, requests: [request("200-1")] };
    assert.deepEqual(actionsIn(scene), ["serve 200-1 at cloud/main with new"], "it takes none of those");
  });

  // As in Nodepool: what is there takes its place until its record is gone, whoever has it and whatever becomes of it.
  for (const state of NODE_STATES.filter((one) => one !== "ready")) {
    for (const locked of [false, true]) {
      it(`counts a node in state '${state}', ${locked ? "locked" : "unlocked"}, against every limit`, () => {
        const acme = { tenantName: "acme" };
        const plain = pool("cloud/main", ["small"]);
        const scenes: [string, ServedPool, Scene][] = [
          [
            "cloud/main: max-servers is 1, in use 1, needed 1",
            pool("cloud/main", ["small"], { maxServers: 1 }),
            {},
          ],
          [
            "cloud/main: the provider's quota of instances is 1, in use 1, needed 1",
            plain,
            { hand: { limits: new Map([["cloud", { instances: 1 }]]) } },
          ],
          [
            "cloud/main: the limit of instances of tenant 'acme' is 1, in use 1, needed 1",
            plain,
            { tenants: { acme: { instances: 1 } } },
          ],
        ];
        const nodes = [node("0001", state, { locked, ...acme })];
        for (const [reason, served, scene] of scenes) {
          const { actions, reasons } = decideIn({
            ...scene,
            pools: [served],
            nodes,
            requests: [request("200-1", acme)],
          });
          assert.deepEqual(
            [actions.filter((one) => one.startsWith("serve")), reasons["200-1"]],
            [[], reason],
          );
        }
      });
    }
  }

  it("counts what is just being claimed and what was decided a moment before, against every limit", () => {
    const acme = { tenantName: "acme" };
    const requests = ["200-1", "200-2", "200-3"].map((id) => request(id, acme));
    const plain = pool("cloud/main", ["small"]);
    const scenes: [ServedPool, Scene][] = [
      [pool("cloud/main", ["small"], { maxServers: 2 }), {}],
      [pool("cloud/main", ["small"], { provider: { maxConcurrency: 2 } }), {}],
      [plain, { hand: { limits: new Map([["cloud", { instances: 2 }]]) } }],
      [plain, { tenants: { acme: { instances: 2 } } }],
    ];
    for (const [served, scene] of scenes) {
      const given = { ...scene, pools: [served], requests };
      const first = ["serve 200-1 at cloud/main with new", "serve 200-2 at cloud/main with new"];
      assert.deepEqual(actionsIn(given), first);
      const claims = new Map([["200-0", claim(served, { tenant: "acme", labels: ["small", "small"] })]]);
      assert.deepEqual(actionsIn({ ...given, hand: { ...scene.hand, claims } }), []);
    }
  });

  it("counts what is just being claimed when its ready node is seen before its new one", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const claims = new Map([
      ["200-1", claim(two, { labels: ["small"], reused: new Map([["0001", { instances: 1 }]]) })],
    ]);
    const scene: Scene = {
      pools: [two],
      busy: ["request:200-1", "node:0001"],
      nodes: [node("0001", "ready", { allocatedTo: "200-1" })],
      requests: [
        request("200-1", { nodeTypes: ["small", "small"], state: "pending", locked: true }),
        request("200-2", { reuse: false }),
      ],
      hand: { claims },
    };
    assert.deepEqual(actionsIn(scene), []);
  });

  it("counts ready nodes that are just being given away for their tenant, once", () => {
    const plain = pool("cloud/main", ["small"]);
    const claims = new Map([
      ["200-1", claim(plain, { tenant: "acme", reused: new Map([["0001", { instances: 1 }]]) })],
    ]);
    const scene = (instances: number, given: Partial<NodeRecord>): Scene => ({
      pools: [plain],
      tenants: { acme: { instances } },
      nodes: [node("0001", "ready", given), node("0002", "ready")],
      busy: ["request:200-1", "node:0001"],
      requests: [request("200-1", { tenantName: "acme" }), request("200-2", { tenantName: "acme" })],
      hand: { claims },
    });
    const seen = { allocatedTo: "200-1", tenantName: "acme" };
    assert.deepEqual(actionsIn(scene(1, {})), []);
    assert.deepEqual(actionsIn(scene(1, seen)), []);
    assert.deepEqual(actionsIn(scene(2, seen)), ["serve 200-2 at cloud/main with 0002"]);
    const decided = { ...scene(1, {}), busy: [], hand: {} };
    assert.deepEqual(
      actionsIn(decided),
      ["serve 200-1 at cloud/main with 0001"],
      "nor is that forgotten at once",
    );
  });

  it("counts no ready node against a tenant that is given to nobody, whomever it was launched for", () => {
    const scene = (more: Partial<NodeRecord>): Scene => ({
      tenants: { acme: { instances: 1 } },
      nodes: [node("0001", "ready", { tenantName: "acme", ...more })],
      requests: [request("200-1", { tenantName: "acme" }), request("200-9", { state: "fulfilled" })],
    });
    assert.deepEqual(actionsIn(scene({})), ["serve 200-1 at cloud/main with 0001"]);
    assert.deepEqual(actionsIn(scene({ allocatedTo: "200-9" })), []);
  });

  it("waits for its turn when max-concurrency launches are under way", () => {
    const slow = pool("cloud/main", ["small", "large"], { provider: { maxConcurrency: 1 } });
    const scene: Scene = {
      pools: [slow],
      nodes: [node("0001", "building", { locked: true }), node("0002", "ready", { type: ["large"] })],
      hand: { launches: new Map([launch("0001", slow)]) },
      requests: [request("200-1")],
    };
    assert.deepEqual(actionsIn(scene), [], "no idle node has to go for that");
    assert.equal(decideIn(scene).reasons["200-1"], "cloud/main: max-concurrency is 1, launching 1, needed 1");
  });

  it("is launched all at once though it asks for more than max-concurrency, when nothing else is launched", () => {
    const slow = pool("cloud/main", ["small"], { provider: { maxConcurrency: 1 } });
    const requests = [request("200-1", { nodeTypes: ["small", "small"] })];
    assert.deepEqual(actionsIn({ pools: [slow], requests }), ["serve 200-1 at cloud/main with new,new"]);
  });

  it("waits until the provider has told its limits, where they count", () => {
    const scene = { hand: { asking: new Set(["cloud"]) }, requests: [request("200-1")] };
    const { actions, reasons } = decideIn(scene);
    assert.deepEqual(actions, []);
    assert.equal(reasons["200-1"], "cloud/main: the provider has not told its limits yet");
    const pools = [pool("cloud/main", ["small"], { ignoreProviderQuota: true })];
    assert.deepEqual(actionsIn({ ...scene, pools }), ["serve 200-1 at cloud/main with new"]);
  });

  it("waits while the provider refuses for want of quota", () => {
    const hand = { quotaBlocks: new Map([["cloud", NOW + 3]]) };
    const decision = decideIn({ hand, requests: [request("200-1")] });
    assert.match(decision.reasons["200-1"] ?? "", /want of quota; the next try is at 1970-01-01T02:46:43Z$/);
    assert.equal(decision.wakeAt, NOW + 3);
  });
});
