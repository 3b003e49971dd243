// Pools of one launcher of which one goes first and makes a request wait: when those that come later take it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { checked, FOUND, host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
import {
  decideIn,
  launch,
  NOW,
  node,
  pool,
  request,
  type Scene,
  world,
} from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { explainRequest } from "../explain/request.ts";
import type { ServedPool } from "../pool/served.ts";

const slow = { provider: { maxConcurrency: 1 } };

const alpha = (more: object = {}) => pool("alpha/main", ["small"], { priority: 1, ...more });
const later = pool("beta/main", ["small"], { priority: 2 });
const equal = pool("beta/main", ["small"], { priority: 1 });
const AT_LATER = ["serve 200-1 at beta/main with new"];

/** While the first pool's provider has not told its limits. */
const asking = (more: Partial<Scene> = {}): Scene => ({
  pools: [later, alpha()],
  requests: [request("200-1")],
  hand: { asking: new Set(["alpha"]) },
  ...more,
});

/** While the first pool launches as many as it may. */
function launching(more: Partial<Scene> = {}, settings: object = {}): Scene {
  const first = alpha({ ...slow, ...settings });
  return {
    pools: [later, first],
    nodes: [node("0001", "building", { provider: "alpha", locked: true })],
    requests: [request("200-1")],
    hand: { launches: new Map([launch("0001", first)]) },
    ...more,
  };
}

describe("a request that waits but a moment for the pool that goes first", () => {
  it("waits until its provider has told its limits, however long it has waited before", () => {
    const { actions, reasons } = decideIn(asking());
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": "alpha/main: the provider has not told its limits yet" });
    const aged = [request("200-1", { createdTime: NOW - 3600 })];
    assert.deepEqual(decideIn(asking({ requests: aged })).actions, []);
  });

  it("waits for its turn by max-concurrency", () => {
    const { actions, reasons, wakeAt } = decideIn(launching());
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": "alpha/main: max-concurrency is 1, launching 1, needed 1" });
    assert.equal(wakeAt, NOW + 50);
  });

  it("goes on to a later one when it has waited for a minute for that, but not for a min-ready node", () => {
    const aged = (more: object = {}) => [request("200-1", { createdTime: NOW - 60, ...more })];
    assert.deepEqual(decideIn(launching({ requests: aged() })).actions, AT_LATER);
    const own = aged({ requestor: MIN_READY_REQUESTOR });
    assert.deepEqual(decideIn(launching({ requests: own })).actions, []);
  });

  it("waits for the check of a host of the first one, rather than get a ready node of a later one", () => {
    const one = host();
    const cloud = (priority: number) => pool("cloud/main", ["small"], { priority });
    const scene = (second: ServedPool): Scene => ({
      pools: [second, hostPool("lab/main", [one])],
      nodes: [slotNode("0001", "ready", 0), node("0002", "ready")],
      requests: [request("200-1")],
      hand: { hosts: new Map([[`lab/${one.identity}`, checked(one, FOUND, { ago: 10 })]]) },
    });
    assert.deepEqual(decideIn(scene(cloud(101))).actions, [`check lab/${one.identity}`]);
    assert.deepEqual(decideIn(scene(cloud(100))).actions, ["serve 200-1 at cloud/main with 0002"]);
  });

  it("goes to another one of the same priority at once", () => {
    for (const scene of [asking(), launching()]) {
      const [, first] = scene.pools ?? [];
      assert.ok(first);
      assert.deepEqual(decideIn({ ...scene, pools: [equal, first] }).actions, AT_LATER);
    }
  });

  it("goes to a later one at once where the first has no room either, or keeps it for another one", () => {
    const nodes = [node("0001", "in-use", { provider: "alpha", locked: true })];
    const full = { pools: [later, alpha({ maxServers: 1 })], nodes };
    assert.deepEqual(decideIn(asking(full)).actions, AT_LATER);
    assert.deepEqual(decideIn(launching({}, { maxServers: 1 })).actions, AT_LATER);
    const elder = request("100-1", { nodeTypes: ["large"], createdTime: NOW - 61 });
    const large = pool("alpha/large", ["large"], { priority: 1, ...slow });
    const scene = launching();
    const pools = [...(scene.pools ?? []), large];
    const requests = [elder, request("200-1")];
    assert.deepEqual(decideIn({ ...scene, pools, requests }).actions, AT_LATER);
  });

  it("goes to a later one at once when the first one's provider has refused a launch", () => {
    const hand = { quotaBlocks: new Map([["alpha", NOW + 3]]) };
    assert.deepEqual(decideIn(asking({ hand })).actions, AT_LATER);
  });

  it("makes no room in a later one meanwhile", () => {
    const full = pool("beta/main", ["small", "large"], { priority: 2, maxServers: 1 });
    const idle = node("0002", "ready", { provider: "beta", type: ["large"] });
    const scene = launching();
    const [, first = later] = scene.pools ?? [];
    const pools = [full, first];
    const nodes = [...(scene.nodes ?? []), idle];
    const { actions, paused } = decideIn({ ...scene, pools, nodes });
    assert.deepEqual({ actions, paused }, { actions: [], paused: [] });
  });

  it("is declined by a later one that can never serve it, without being kept from the first", () => {
    const never = pool("beta/main", ["small"], { priority: 2, maxCores: 1 });
    const scene = launching();
    const [, first = later] = scene.pools ?? [];
    assert.deepEqual(
      decideIn({ ...scene, pools: [never, first] }).actions.map((text) => text.split(":")[0]),
      ["decline 200-1"],
    );
  });

  it("is told so for the first pool and for those that come later", () => {
    const seen = world(launching());
    const [entry] = seen.tree.requests();
    assert.ok(entry);
    const { summary, pools } = explainRequest({ world: seen, decision: decide(seen) }, entry);
    assert.equal(summary, "alpha/main: max-concurrency is 1, launching 1, needed 1");
    assert.deepEqual(
      pools.map(({ pool: name, verdict, rule, reason }) => [name, verdict, rule, reason]),
      [
        ["alpha/main", "waits", "concurrency", "alpha/main: max-concurrency is 1, launching 1, needed 1"],
        ["beta/main", "yields", "", "beta/main: waits for alpha/main, which has a higher priority"],
      ],
    );
  });
});
