// Pools that go first and cannot serve a request: when they let those of other launchers go ahead.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolRecord } from "../../../lib/model/component.ts";
import { MIN_READY_REQUESTOR, type RequestRecord } from "../../../lib/model/request.ts";
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

describe("a preferred provider", () => {
  const one = pool("one/main", ["small", "large"]);
  const two = pool("two/main", ["small", "large"]);
  const asking = (more: Partial<RequestRecord> = {}) => ({
    requests: [request("200-1", { ...leased.record, provider: "one", ...more })],
  });
  const AT_TWO = ["serve 200-1 at two/main with new"];

  it("is not waited for while its image is missing there, or max-concurrency is 0", () => {
    const stopped = pool("one/main", ["small"], { provider: { maxConcurrency: 0 } });
    for (const priority of [1, 100, 200]) {
      const other = pool("two/main", ["small"], { priority });
      assert.deepEqual(decideIn({ pools: [one, other], imageAt: ["two"], ...asking() }).actions, AT_TWO);
      assert.deepEqual(decideIn({ pools: [stopped, other], ...asking() }).actions, AT_TWO);
    }
  });

  it("is waited for while it has no room, and where another pool of it can serve", () => {
    const full = pool("one/main", ["small"], { maxServers: 1 });
    const nodes = [node("0001", "in-use", { provider: "one", locked: true })];
    const { actions, reasons, unable } = decideIn({ pools: [full, two], nodes, ...asking() });
    assert.deepEqual({ actions, unable }, { actions: [], unable: {} });
    assert.match(reasons["200-1"] ?? "", /max-servers is 1/);
    const stopped = pool("lab/main", ["small"], { provider: { name: "one", maxConcurrency: 0 } });
    assert.deepEqual(decideIn({ pools: [stopped, one, two], ...asking() }).actions, [
      "serve 200-1 at one/main with new",
    ]);
  });

  it("is waited for where nobody else can serve either, and once more when its image is there", () => {
    const { actions, reasons } = decideIn({ pools: [one, two], imageAt: [], ...asking() });
    assert.deepEqual(actions, []);
    assert.match(reasons["200-1"] ?? "", /at provider 'one'; .* at provider 'two'$/);
    assert.deepEqual(decideIn({ pools: [one, two], ...asking() }).actions, [
      "serve 200-1 at one/main with new",
    ]);
  });

  it("is said to be unable, of the labels that are amiss, while it is preferred", () => {
    const others = [otherPool("two/main", ["small", "large"], { priority: 1 })];
    const scene = { pools: [one], others, imageAt: ["two"] };
    assert.deepEqual(decideIn({ ...scene, ...asking() }).unable, { "one/main": ["small"] });
    const labels = one.pool.labels.map((label) =>
      label.name === "large" ? { ...label, diskimage: "other" } : label,
    );
    const pools = [pool("one/main", [], { labels })];
    const both = asking({ nodeTypes: ["small", "large"] });
    assert.deepEqual(decideIn({ pools, others, ...both }).unable, { "one/main": ["large"] });
    assert.deepEqual(decideIn({ ...scene, ...asking({ provider: "two" }) }).unable, {});
    assert.deepEqual(decideIn({ ...scene, ...asking({ provider: null }) }).unable, {});
    assert.deepEqual(decideIn({ ...scene, imageAt: ["one"], ...asking() }).unable, {});
  });

  it("of another launcher is not waited for while that says so of one of the labels", () => {
    const saying = (extra: PoolRecord["extra"]) => ({
      pools: [two],
      others: [otherPool("one/main", ["small", "large"], { extra })],
      ...asking(),
    });
    assert.deepEqual(decideIn(saying({ unable: ["large", "small"] })).actions, AT_TWO);
    for (const extra of [{}, { unable: ["large"] }, { unable: "small" }]) {
      assert.deepEqual(decideIn(saying(extra)).actions, []);
    }
  });
});
