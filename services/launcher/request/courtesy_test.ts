// Pools that go first and cannot serve a request: when they let those of other launchers go ahead.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
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
import { encodeOwnData } from "./own_data.ts";

const pausedIn = (scene: Scene) => decideIn(scene).paused;
const first = pool("cloud/main", ["small"], { priority: 1 });
const later = otherPool("other/main", ["small"], { priority: 2 });
const leased = request("200-1", { requestorData: encodeOwnData({ lease: { duration: 60, expires: 1e9 } }) });
const own = request("900-1", {
  requestor: MIN_READY_REQUESTOR,
  reuse: false,
  requestorData: encodeOwnData({ minReady: true }),
});

describe("a pool that goes first and cannot serve a request", () => {
  const scene = { pools: [first], others: [later] };

  it("lets a pool of another launcher that comes after it go ahead while its image is missing", () => {
    for (const waiting of [leased, own]) {
      assert.deepEqual(pausedIn({ ...scene, imageAt: [], requests: [waiting] }), ["cloud/main"]);
    }
  });

  it("lets it go ahead with a node for min-ready while it is full", () => {
    const full = pool("cloud/main", ["small"], { priority: 1, maxServers: 1 });
    const nodes = [node("0001", "in-use", { locked: true })];
    assert.deepEqual(pausedIn({ ...scene, pools: [full], nodes, requests: [own] }), ["cloud/main"]);
  });

  it("lets it go ahead while what its provider gives is kept for a request in another pool", () => {
    const pools = [pool("cloud/other", ["large"], { priority: 1 }), first];
    const nodes = [node("0001", "in-use", { locked: true }), node("0002", "in-use", { locked: true })];
    const hand = { limits: new Map([["cloud", { instances: 2 }]]) };
    const aged = request("200-1", { nodeTypes: ["large"], createdTime: NOW - 100 });
    const requests = [aged, request("200-2")];
    assert.deepEqual(pausedIn({ ...scene, pools, nodes, hand, requests }), ["cloud/other", "cloud/main"]);
  });

  it("lets it go ahead while all its hosts are in use", () => {
    const lab = hostPool("lab/main", [host()]);
    const pools = [{ ...lab, pool: { ...lab.pool, priority: 1 } }];
    const nodes = [slotNode("0001", "in-use", 0, { locked: true })];
    assert.deepEqual(pausedIn({ ...scene, pools, nodes, requests: [request("200-1")] }), ["lab/main"]);
  });

  it("does not say so for a moment's sake, as for launches that are under way", () => {
    const slow = pool("cloud/main", ["small"], { priority: 1, provider: { maxConcurrency: 1 } });
    const nodes = [node("0001", "building", { locked: true })];
    const hand = { launches: new Map([launch("0001", slow)]) };
    assert.deepEqual(pausedIn({ ...scene, pools: [slow], nodes, hand, requests: [leased] }), []);
  });

  it("does not say so where nobody comes after it, for other requests would be passed to others", () => {
    const unable = [
      otherPool("other/main", ["large"], { priority: 2 }),
      otherPool("equal/main", ["small"], { priority: 1 }),
    ];
    assert.deepEqual(pausedIn({ pools: [first], others: unable, imageAt: [], requests: [leased] }), []);
    const declined = request("200-1", { ...leased.record, declinedBy: ["other other/main"] });
    assert.deepEqual(pausedIn({ ...scene, imageAt: [], requests: [declined] }), []);
    const pools = [first, pool("cloud/more", ["small"], { priority: 2 })];
    assert.deepEqual(pausedIn({ pools, imageAt: [], requests: [leased] }), [], "both are of this launcher");
  });
});
