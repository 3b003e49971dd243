// Pools of a provider whose max-concurrency is 0: as with Nodepool they take no requests, and decline none.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
import {
  decideIn,
  launch,
  node,
  otherPool,
  pool,
  request,
  type Scene,
  world,
} from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { explainLabel } from "../explain/label.ts";
import { explainRequest } from "../explain/request.ts";

const stopped = pool("cloud/main", ["small"], { priority: 1, provider: { maxConcurrency: 0 } });
const text = "max-concurrency of the provider is 0: nothing is served there until it is raised";
const reason = `cloud/main: ${text}`;
const remedy = "set max-servers and max-concurrency above 0";
const requests = [request("200-1")];

describe("a request for a pool of a provider that is stopped by max-concurrency", () => {
  it("waits, whatever it asks for and although nodes are ready, and says what to do", () => {
    const scene: Scene = { pools: [stopped], nodes: [node("0001", "ready")], requests };
    const seen = world(scene);
    const decision = decide(seen);
    assert.deepEqual(decision.actions, []);
    const [entry] = seen.tree.requests();
    assert.ok(entry);
    const { summary, pools } = explainRequest({ world: seen, decision }, entry);
    assert.equal(summary, reason);
    assert.deepEqual(pools, [{ pool: "cloud/main", verdict: "waits", rule: "disabled", reason, remedy }]);
    const many = [request("200-1", { nodeTypes: Array.from({ length: 9 }, () => "small") })];
    const small = { ...stopped, pool: { ...stopped.pool, maxServers: 1 } };
    const waiting = decideIn({ pools: [small], requests: many, imageAt: [] });
    assert.deepEqual([waiting.actions, waiting.reasons], [[], { "200-1": reason }]);
  });

  it("lacks what the pool does not offer, and no more than that", () => {
    const asked = [request("200-1", { nodeTypes: ["large"] })];
    const seen = world({ pools: [stopped], others: [otherPool("b/main", ["large"])], requests: asked });
    const [entry] = seen.tree.requests();
    assert.ok(entry);
    const { pools } = explainRequest({ world: seen, decision: decide(seen) }, entry);
    assert.deepEqual(
      pools.map(({ pool: name, verdict, remedy: wanted }) => [name, verdict, wanted]),
      [
        ["b/main", "elsewhere", "ask that launcher"],
        ["cloud/main", "not-offered", "add the label to the pool"],
      ],
    );
  });

  it("waits for hosts, too", () => {
    const one = host();
    const lab = hostPool("lab/main", [one]);
    const pools = [{ ...lab, provider: { ...lab.provider, maxConcurrency: 0 } }];
    const hand = { hosts: new Map([[`lab/${one.identity}`, checked(one)]]) };
    const nodes = [slotNode("0001", "ready", 0)];
    const { actions, reasons } = decideIn({ pools, nodes, requests, hand });
    assert.deepEqual([actions, reasons], [[], { "200-1": `lab/main: ${text}` }]);
    const seen = world({ pools, nodes, hand, labels: { small: {} } });
    const told = explainLabel({ world: seen, decision: decide(seen) }, "small");
    assert.deepEqual(
      told?.pools.map(({ verdict, rule }) => [verdict, rule]),
      [["waits", "disabled"]],
    );
  });

  it("is served by any other one that can, here and at other launchers", () => {
    const pools = [stopped, pool("b/main", ["small"], { priority: 2 })];
    assert.deepEqual(decideIn({ pools, requests }).actions, ["serve 200-1 at b/main with new"]);
    const others = [otherPool("b/main", ["small"], { priority: 2 })];
    assert.deepEqual(decideIn({ pools: [stopped], others, requests }).paused, ["cloud/main"]);
  });

  it("goes on where it was in hand before, and waits for what it lacks then", () => {
    const pending = [request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"] })];
    const nodes = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    const hand = {
      requests: new Map([["200-1", { pool: stopped }]]),
      launches: new Map([launch("0001", stopped, { request: "200-1" })]),
    };
    const { actions, reasons } = decideIn({ pools: [stopped], nodes, requests: pending, hand });
    assert.deepEqual([actions, reasons], [[], { "200-1": reason }]);
  });

  it("is not asked for a node for min-ready", () => {
    const { actions, labelReasons } = decideIn({ pools: [stopped], labels: { small: { minReady: 1 } } });
    assert.deepEqual([actions, labelReasons], [[], { small: reason }]);
  });
});
