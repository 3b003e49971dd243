// What `nodepool plan` takes for granted: where what is under way ends, if all goes well.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../lib/model/request.ts";
import { launch, NOW, node, pool, request, type Scene, world } from "../../test/harness/world.ts";
import { foresee } from "./foresee.ts";
import { encodeNodeLease, encodeOwnData } from "./request/own_data.ts";

const served = pool("cloud/main", ["small", "large"]);
const inHand = (more: object = {}) => ({ requests: new Map([["200-1", { pool: served }]]), ...more });
const pending = (more: object = {}) => request("200-1", { state: "pending", locked: true, ...more });
const building = (id: string, more: object = {}) =>
  node(id, "building", { allocatedTo: "200-1", externalId: "i-1", ...more });

/** The end of a scene in a few words. */
function endOf(scene: Scene) {
  const { launches, deletions, requests } = foresee(world({ pools: [served], ...scene }), NOW);
  return {
    launches: launches.map(({ label, pool: place, request: id }) => `${label} at ${place} for ${id}`),
    deletions: [...deletions].map(([id, reason]) => `${id} ${reason}`),
    requests: [...requests].map(([id, state]) => `${id} ${state}`),
  };
}

const NOTHING = { launches: [], deletions: [], requests: [] };
const fulfilled = { ...NOTHING, requests: ["200-1 fulfilled"] };
const another = { ...fulfilled, launches: ["small at cloud/main for 200-1"] };

describe("a request in hand", () => {
  it("is fulfilled with the nodes that are recorded for it, launched or on their way", () => {
    for (const state of ["init", "building"] as const) {
      const nodes = [node("0001", state, { allocatedTo: "200-1" })];
      assert.deepEqual(endOf({ nodes, requests: [pending()], hand: inHand() }), fulfilled);
    }
    const launches = new Map([launch("0001", served, { request: "200-1", status: "ready" })]);
    const nodes = [building("0001", { locked: true })];
    assert.deepEqual(endOf({ nodes, requests: [pending()], hand: inHand({ launches }) }), fulfilled);
  });

  it("gets another node for one that is gone, a ready one if there is one", () => {
    assert.deepEqual(endOf({ requests: [pending()], hand: inHand() }), another);
    assert.deepEqual(
      endOf({ nodes: [node("0001", "ready")], requests: [pending()], hand: inHand() }),
      fulfilled,
    );
  });

  it("goes to the next pool when a launch has failed for good, and fails when there is none", () => {
    const launches = new Map([launch("0001", served, { request: "200-1", status: "failed" })]);
    const scene = {
      nodes: [building("0001", { locked: true })],
      requests: [pending()],
      hand: inHand({ launches }),
    };
    const deletions = ["0001 its launch has failed"];
    assert.deepEqual(endOf(scene), { launches: [], deletions, requests: ["200-1 failed"] });
    const pools = [served, pool("next/main", ["small"])];
    const launched = ["small at next/main for 200-1"];
    assert.deepEqual(endOf({ ...scene, pools }), { ...fulfilled, deletions, launches: launched });
  });

  it("is taken over with its nodes when its launcher is gone, and begun anew when it has none", () => {
    const lost = request("200-1", { state: "pending" });
    assert.deepEqual(endOf({ nodes: [building("0001")], requests: [lost] }), fulfilled);
    assert.deepEqual(endOf({ requests: [lost] }), another);
  });

  it("whose pool is not served any more is served by another", () => {
    const pools = [pool("next/main", ["small"])];
    const launched = ["small at next/main for 200-1"];
    assert.deepEqual(endOf({ pools, requests: [pending()], hand: inHand() }), {
      ...fulfilled,
      launches: launched,
    });
  });

  it("that has ended meanwhile is let go as it is", () => {
    const requests = [request("200-1", { state: "fulfilled", locked: true })];
    assert.deepEqual(endOf({ requests, hand: inHand() }), fulfilled);
  });
});

describe("what nobody needs any more", () => {
  const lease = (expires: number) => encodeOwnData({ lease: { duration: 60, expires } });
  const userData = encodeNodeLease({ request: "200-1", contender: "abc" });

  it("goes: what a lease had that has run out, and what its request has left", () => {
    const nodes = [node("0001", "in-use", { allocatedTo: "200-1", locked: true, userData })];
    const requests = [request("200-1", { state: "fulfilled", requestorData: lease(NOW - 1) })];
    assert.deepEqual(endOf({ nodes, requests }), {
      ...NOTHING,
      deletions: ["0001 its lease has ended"],
      requests: ["200-1 gone"],
    });
    assert.deepEqual(endOf({ nodes }), { ...NOTHING, deletions: ["0001 was returned"] });
    const deleting = [node("0001", "deleting", { locked: true })];
    const launches = new Map([launch("0001", served)]);
    assert.deepEqual(endOf({ nodes: deleting, hand: { launches } }), {
      ...NOTHING,
      deletions: ["0001 is deleting"],
    });
  });

  it("stays when somebody wishes to hold it, or it is ready", () => {
    const holdWishes = new Map([["0001", { reason: "look", expireSeconds: 0 }]]);
    assert.deepEqual(endOf({ nodes: [node("0001", "used")], hand: { holdWishes } }), NOTHING);
    assert.deepEqual(endOf({ nodes: [node("0001", "ready", { allocatedTo: "200-9" })] }), NOTHING);
  });

  it("is not what a lease gets: its holder has it locked", () => {
    const requests = [request("200-1", { requestorData: lease(NOW + 60) })];
    assert.deepEqual(endOf({ requests }), another);
  });

  it("is a request for a min-ready node that has failed: another is made", () => {
    const own = { requestor: MIN_READY_REQUESTOR, requestorData: encodeOwnData({ minReady: true }) };
    const requests = [request("900-1", { ...own, state: "failed" })];
    assert.deepEqual(endOf({ requests, labels: { small: { minReady: 1 } } }), {
      launches: ["small at cloud/main for null"],
      deletions: [],
      requests: ["900-1 gone"],
    });
  });
});
