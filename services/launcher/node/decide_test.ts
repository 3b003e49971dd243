import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { encodeShare } from "../../../lib/model/shared_node.ts";
import { host, hostPool } from "../../../test/harness/host_world.ts";
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
import { encodeNodeLease } from "../request/own_data.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const served = pool("cloud/main", ["small", "large"]);

describe("an unlocked node", () => {
  it("is deleted when it was used, failed, given up, or left in use", () => {
    const nodes = (["used", "failed", "aborted", "deleting", "deleted", "in-use"] as const).map(
      (state, index) => node(`000${index}`, state),
    );
    assert.deepEqual(actionsIn({ nodes }), [
      "delete 0000: was returned",
      "delete 0001: is failed",
      "delete 0002: is aborted",
      "delete 0003: is deleting",
      "delete 0004: is deleted",
      "delete 0005: is in use, but nobody holds its lock",
    ]);
  });

  it("stays when it is ready, held, of a provider that is not ours, busy or being deleted already", () => {
    const nodes = [
      node("0001", "ready"),
      node("0002", "hold"),
      node("0003", "used", { provider: "elsewhere" }),
      node("0004", "used"),
      node("0005", "used"),
    ];
    assert.deepEqual(actionsIn({ nodes, busy: ["node:0004"], hand: { deletions: new Set(["0005"]) } }), []);
  });

  it("is deleted when it is ready on a node that is gone or on its way there", () => {
    const on = (backingNode: string) => encodeShare("x", { backingNode, slot: 0, metadata: {} });
    const nodes = [
      node("0001", "in-use", { provider: "elsewhere" }),
      node("0002", "deleting", { provider: "elsewhere" }),
      node("0003", "ready", { driverData: on("0001") }),
      node("0004", "ready", { driverData: on("0002") }),
      node("0005", "ready", { driverData: on("0000") }),
      node("0006", "hold", { driverData: on("0000") }),
    ];
    assert.deepEqual(actionsIn({ nodes }), [
      "delete 0004: node 0002, of which it is a share, is gone or being deleted",
      "delete 0005: node 0000, of which it is a share, is gone or being deleted",
    ]);
  });

  it("is launched on when its launcher died after the instance was made and min-ready lacks it, else deleted", () => {
    const requestor = MIN_READY_REQUESTOR;
    const started = node("0001", "building", { externalId: "i-1", requestor });
    const nodes = [started, node("0002", "building", { requestor })];
    const labels = { small: { minReady: 2 } };
    assert.deepEqual(actionsIn({ nodes, labels }), [
      "launch 0001 for nobody",
      "delete 0002: its launcher is gone and nothing was launched yet",
    ]);
    const unwanted = [
      "delete 0001: its launcher is gone, and nobody works on the request that it was launched for",
    ];
    assert.deepEqual(actionsIn({ nodes: [started] }), unwanted);
    const ready = node("0003", "ready");
    assert.deepEqual(actionsIn({ nodes: [started, ready], labels: { small: { minReady: 1 } } }), unwanted);
    const forZuul = node("0001", "building", { externalId: "i-1", requestor: "zuul" });
    assert.deepEqual(actionsIn({ nodes: [forZuul] }), unwanted);
    assert.ok(
      actionsIn({ nodes: [forZuul], labels }).includes(unwanted.join()),
      "min-ready asks for its own",
    );
    const coming = request("900-1", { requestor, state: "pending", locked: true });
    const one = { small: { minReady: 1 } };
    assert.deepEqual(actionsIn({ nodes: [started], requests: [coming], labels: one }), unwanted);
    const elsewhere = [node("0001", "building", { externalId: "i-1", requestor, pool: "gone" })];
    assert.match(actionsIn({ nodes: elsewhere, labels }).join(), /^delete 0001/, "in its own pool only");
  });

  it("is deleted when its request was put back while it was still locked, unless it is ready", () => {
    const nodes = [
      node("0001", "init", { allocatedTo: "200-1", launcher: served.id }),
      node("0002", "building", { allocatedTo: "200-1" }),
      node("0003", "building", { allocatedTo: "200-1", externalId: "i-1", requestor: "zuul" }),
      node("0004", "ready", { allocatedTo: "200-1" }),
    ];
    const ended = (requests: NonNullable<Scene["requests"]>) =>
      actionsIn({ nodes, requests, pools: [served] }).filter((action) => /^(delete|free)/.test(action));
    assert.deepEqual(ended([request("200-1")]), [
      "delete 0001: was never launched, and nobody works on its request",
      "delete 0002: its launcher is gone and nothing was launched yet",
      "delete 0003: its launcher is gone, and nobody works on the request that it was launched for",
    ]);
    assert.deepEqual(ended([request("200-1", { locked: true })]), []);
    assert.deepEqual(ended([request("200-1", { state: "pending", locked: true })]), []);
  });

  it("is deleted before its launch only when its request and its maker are gone", () => {
    const init = (launcher: string) => [node("0001", "init", { allocatedTo: "200-1", launcher })];
    assert.equal(actionsIn({ nodes: init("dead") }).length, 1);
    const others = [otherPool("cloud/main", ["small"])];
    assert.deepEqual(actionsIn({ nodes: init("other cloud/main"), others }), []);
    const requests = [request("200-1", { state: "pending", locked: true })];
    assert.deepEqual(actionsIn({ nodes: init("dead"), requests }), []);
    const pools = [served, pool("cloud/more", ["small"])];
    for (const { id } of pools)
      assert.equal(actionsIn({ pools, nodes: init(id) }).length, 1, "we know of none");
  });

  it("is freed when the request that it was given to is gone", () => {
    const nodes = [node("0001", "ready", { allocatedTo: "200-1" })];
    assert.deepEqual(actionsIn({ nodes }), ["free 0001"]);
    assert.deepEqual(actionsIn({ nodes, requests: [request("200-1", { state: "fulfilled" })] }), []);
  });
});

describe("a node of a provider that has no pools here", () => {
  it("is looked after like any other, for the provider can be used", () => {
    const nodes = [
      node("0001", "used"),
      node("0002", "hold", { stateTime: NOW - 100, holdExpiration: 60 }),
      node("0003", "ready", { stateTime: NOW - 100 }),
      node("0004", "ready", { allocatedTo: "200-9" }),
      node("0005", "in-use", { locked: true }),
    ];
    const scene = { pools: [], nodes, labels: { small: { maxReadyAge: 60 } } };
    assert.deepEqual(actionsIn({ ...scene, poolless: ["cloud"] }), [
      "delete 0001: was returned",
      "delete 0002: has been held for longer than 60 s",
      "delete 0003: has been ready for longer than max-ready-age (60 s)",
      "free 0004",
    ]);
    assert.deepEqual(actionsIn(scene), [], "it cannot be used");
  });

  it("is deleted when it is idle and its pool was taken out while we ran, as a slot of a host that is out of service", () => {
    const out = "no pool offers any of its labels any more";
    const nodes = [node("0001", "ready"), node("0002", "testing"), node("0003", "hold")];
    const hand = { retired: new Set(["cloud/main"]) };
    assert.deepEqual(actionsIn({ pools: [], poolless: ["cloud"], nodes, hand }), [
      `delete 0001: ${out}`,
      `delete 0002: ${out}`,
    ]);
    assert.deepEqual(actionsIn({ pools: [], poolless: ["cloud"], nodes }), [], "we never knew the pool");
    const lab = hostPool("cloud/other", [host()]);
    assert.deepEqual(actionsIn({ pools: [lab], nodes: [node("0002", "testing")], hand }), []);
  });
});

describe("a ready node of which the configuration has no use any more", () => {
  const none = "no pool offers any of its labels any more";
  const old = [node("0001", "ready", { type: ["old"] })];

  it("is deleted when all its labels were taken out, also where there are hosts beside its pool", () => {
    assert.deepEqual(actionsIn({ nodes: old }), [`delete 0001: ${none}`]);
    const pools = [served, hostPool("lab/main", [host()])];
    assert.deepEqual(actionsIn({ pools, nodes: old }), [`delete 0001: ${none}`]);
    const both = [node("0001", "ready", { type: ["old", "small"] })];
    assert.deepEqual(actionsIn({ nodes: both }), []);
    assert.deepEqual(
      actionsIn({ pools: [pool("cloud/main", ["small"], { maxServers: 0 })], nodes: both }),
      [],
    );
    assert.deepEqual(actionsIn({ nodes: [node("0001", "in-use", { type: ["old"], locked: true })] }), []);
  });

  it("is deleted when its pool was taken out while we ran, and not when we never knew the pool", () => {
    const nodes = [node("0001", "ready", { pool: "old" })];
    assert.deepEqual(actionsIn({ nodes, hand: { retired: new Set(["cloud/old"]) } }), [
      `delete 0001: ${none}`,
    ]);
    assert.deepEqual(actionsIn({ nodes }), []);
  });

  it("stays while another launcher offers one of its labels in its pool", () => {
    const both = [node("0001", "ready", { type: ["old", "older"] })];
    const offering = (name: string) => ({ nodes: both, others: [otherPool(name, ["old", "new"])] });
    assert.deepEqual(actionsIn(offering("cloud/main")), []);
    assert.deepEqual(actionsIn(offering("cloud/more")), [`delete 0001: ${none}`]);
  });
});

describe("a locked node", () => {
  it("is left alone in every state", () => {
    const states = ["used", "in-use", "building", "failed", "ready", "hold", "deleting"] as const;
    const nodes = states.map((state, index) => node(`000${index}`, state, { locked: true }));
    assert.deepEqual(actionsIn({ nodes }), []);
  });

  it("is returned when the request that leased it is gone", () => {
    const userData = encodeNodeLease({ request: "200-1", contender: "abc" });
    const nodes = [node("0001", "in-use", { locked: true, userData })];
    assert.deepEqual(actionsIn({ nodes }), ["return 0001"]);
    assert.deepEqual(actionsIn({ nodes, requests: [request("200-1", { state: "fulfilled" })] }), []);
    const deleting = [node("0001", "deleting", { userData })];
    assert.deepEqual(
      actionsIn({ nodes: deleting }),
      ["delete 0001: is deleting"],
      "not once it is being deleted",
    );
  });
});

describe("ages", () => {
  it("delete a ready node after max-ready-age, not before", () => {
    const labels = { small: { maxReadyAge: 100 } };
    const old = [node("0001", "ready", { stateTime: NOW - 100 })];
    assert.deepEqual(actionsIn({ nodes: old, labels }), [
      "delete 0001: has been ready for longer than max-ready-age (100 s)",
    ]);
    const young = decideIn({ nodes: [node("0001", "ready", { stateTime: NOW - 60 })], labels });
    assert.deepEqual(young.actions, []);
    assert.equal(young.wakeAt, NOW + 40);
  });

  it("end a hold at the earlier of its own limit and max-hold-age", () => {
    const held = (holdExpiration: number | null) => [
      node("0001", "hold", { stateTime: NOW - 50, holdExpiration }),
    ];
    assert.deepEqual(actionsIn({ nodes: held(40) }), ["delete 0001: has been held for longer than 40 s"]);
    assert.deepEqual(actionsIn({ nodes: held(90), maxHoldAge: 30 }).length, 1);
    assert.equal(decideIn({ nodes: held(0), maxHoldAge: 60 }).wakeAt, NOW + 10);
    assert.equal(decideIn({ nodes: held(null) }).wakeAt, null);
  });
});

describe("a wish to hold", () => {
  const extra = { hold_requested: { reason: "why", expire_seconds: 0 } };

  it("keeps the node when it is returned", () => {
    assert.deepEqual(actionsIn({ nodes: [node("0001", "used", { extra })] }), ["hold 0001"]);
    assert.deepEqual(actionsIn({ nodes: [node("0001", "in-use", { extra, locked: true })] }), []);
  });

  it("is remembered when Zuul has written over it", () => {
    const holdWishes = new Map([["0001", { reason: "why", expireSeconds: 0 }]]);
    assert.deepEqual(actionsIn({ nodes: [node("0001", "used")], hand: { holdWishes } }), ["hold 0001"]);
  });
});

describe("a launch in hand", () => {
  const building = (more: object = {}) => [
    node("0001", "building", { allocatedTo: "200-1", locked: true, ...more }),
  ];

  it("is abandoned when somebody deletes its node", () => {
    const launches = new Map([launch("0001", served)]);
    const nodes = [node("0001", "deleting", { locked: true })];
    assert.deepEqual(actionsIn({ nodes, hand: { launches } }), ["abandon 0001: is deleting"]);
    assert.deepEqual(actionsIn({ hand: { launches } }), ["abandon 0001: is gone"]);
  });

  it("goes on when Zuul has withdrawn the request, and its node becomes a free one", () => {
    const during = new Map([launch("0001", served, { request: "200-1" })]);
    assert.deepEqual(actionsIn({ nodes: building(), hand: { launches: during } }), []);
    const after = new Map([launch("0001", served, { request: "200-1", status: "ready" })]);
    assert.deepEqual(actionsIn({ nodes: building(), hand: { launches: after } }), ["store 0001"]);
  });

  it("is abandoned when a leased request was withdrawn, also when it has just ended", () => {
    const labels = { small: { minReady: 1 } };
    for (const status of ["launching", "ready"] as const) {
      const launches = new Map([launch("0001", served, { request: "200-1", leased: true, status })]);
      const scene = { nodes: building(), hand: { launches }, labels };
      assert.deepEqual(actionsIn(scene), ["abandon 0001: its request was withdrawn", "ask for 1 small"]);
    }
    const launches = new Map([launch("0001", served, { request: "200-1", leased: true })]);
    const requests = [request("200-1", { state: "pending", locked: true })];
    const held = { launches, requests: new Map([["200-1", { pool: served }]]) };
    const nodes = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    assert.deepEqual(actionsIn({ nodes, requests, hand: held }), [], "not while that is there");
  });

  it("is stored as aborted when the provider had no quota, and the request gets another node", () => {
    const launches = new Map([launch("0001", served, { request: "200-1", status: "aborted" })]);
    const hand = {
      launches,
      requests: new Map([["200-1", { pool: served }]]),
      quotaBlocks: new Map([["cloud", NOW + 5]]),
    };
    const requests = [request("200-1", { state: "pending", locked: true })];
    const decision = decideIn({ nodes: building(), requests, hand });
    assert.deepEqual(decision.actions, ["store 0001"]);
    assert.match(decision.reasons["200-1"] ?? "", /want of quota/);
    assert.equal(decision.wakeAt, NOW + 5);
  });
});
