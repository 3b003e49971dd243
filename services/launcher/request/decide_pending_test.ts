import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { encodeShare } from "../../../lib/model/shared_node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
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
  world,
} from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;

describe("a pending request", () => {
  const served = pool("cloud/main", ["small", "large"]);
  const hand = (more: object = {}) => ({ requests: new Map([["200-1", { pool: served }]]), ...more });
  const pending = request("200-1", { state: "pending", locked: true });

  it("has its recorded nodes launched", () => {
    const nodes = [node("0001", "init", { allocatedTo: "200-1" })];
    assert.deepEqual(actionsIn({ nodes, requests: [pending], hand: hand() }), ["launch 0001 for 200-1"]);
  });

  it("goes on in its pool as it is configured now, although it was claimed while that changed", () => {
    const nodes = [node("0001", "init", { allocatedTo: "200-1" })];
    const both = request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "large"] });
    const now = pool("cloud/main", ["small", "large"], { maxServers: 5 });
    const { actions } = decide(world({ pools: [now], nodes, requests: [both], hand: hand() }));
    assert.deepEqual(actions.map(({ kind }) => kind).sort(), ["launch", "supplement"]);
    for (const action of actions) assert.ok("pool" in action && action.pool === now);
  });

  it("is fulfilled in the order of its labels once every node is there", () => {
    const both = request("200-1", { state: "pending", locked: true, nodeTypes: ["large", "small"] });
    const nodes = [
      node("0001", "building", { allocatedTo: "200-1", locked: true }),
      node("0002", "ready", { allocatedTo: "200-1", type: ["large"] }),
    ];
    const launches = new Map([launch("0001", served, { request: "200-1", status: "ready" })]);
    assert.deepEqual(actionsIn({ nodes, requests: [both], hand: hand({ launches }) }), [
      "fulfil 200-1 with 0002,0001",
    ]);
  });

  it("stores a launched node while others are still being launched", () => {
    const both = request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"] });
    const building = { allocatedTo: "200-1", locked: true };
    const nodes = [node("0001", "building", building), node("0002", "building", building)];
    const launches = new Map([
      launch("0001", served, { request: "200-1", status: "ready" }),
      launch("0002", served, { request: "200-1" }),
    ]);
    const decision = decideIn({ nodes, requests: [both], hand: hand({ launches }) });
    assert.deepEqual(decision.actions, ["store 0001"]);
    assert.deepEqual(decision.reasons, { "200-1": "cloud/main: launching 1 node" });
  });

  it("gets no share of a node that goes meanwhile, launched or stored, and others in their place", () => {
    const both = request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"] });
    const driverData = encodeShare("x", { backingNode: "0000", slot: 0, metadata: {} });
    const share = { allocatedTo: "200-1", driverData };
    const nodes = (state: "in-use" | "deleting") => [
      node("0000", state, { provider: "other", locked: true }),
      node("0001", "building", { ...share, locked: true }),
      node("0002", "ready", share),
    ];
    const launches = new Map([launch("0001", served, { request: "200-1", status: "ready" })]);
    const scene = { requests: [both], hand: hand({ launches }) };
    assert.deepEqual(actionsIn({ ...scene, nodes: nodes("in-use") }), ["fulfil 200-1 with 0001,0002"]);
    const reason = "node 0000, of which it is a share, is gone or being deleted";
    assert.deepEqual(actionsIn({ ...scene, nodes: nodes("deleting") }), [
      `abandon 0001: ${reason}`,
      `delete 0002: ${reason}`,
    ]);
    const going = [node("0001", "deleting", { driverData }), node("0002", "deleting", { driverData })];
    const busy = ["node:0001", "node:0002"];
    assert.deepEqual(actionsIn({ requests: [both], hand: hand(), nodes: going, busy }), [
      "supplement 200-1 with small,small",
    ]);
  });

  it("waits while something is being done about one of its nodes, whatever that looks like meanwhile", () => {
    const nodes = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    assert.deepEqual(actionsIn({ nodes, requests: [pending], hand: hand(), busy: ["node:0001"] }), []);
  });

  it("says how far it is at each step, also while the step is being made", () => {
    const step = (more: object, launchStatus?: "launching" | "ready", busy: string[] = []) => {
      const nodes = [node("0001", "init", { allocatedTo: "200-1", ...more })];
      const launches = new Map(
        launchStatus === undefined
          ? []
          : [launch("0001", served, { request: "200-1", status: launchStatus })],
      );
      return decideIn({ nodes, requests: [pending], hand: hand({ launches }), busy }).reasons["200-1"];
    };
    const [coming, there] = ["cloud/main: launching 1 node", "cloud/main: handing over 1 node"];
    assert.equal(step({}), coming);
    assert.equal(step({}, undefined, ["node:0001"]), coming);
    assert.equal(step({ locked: true }, undefined, ["node:0001"]), coming);
    assert.equal(step({ locked: true }, "launching"), coming);
    assert.equal(step({ locked: true }, "ready"), there);
    assert.equal(step({ locked: true }, "ready", ["request:200-1"]), there);
  });

  it("gets a new node for one that was lost", () => {
    const nodes = [node("0001", "deleting", { allocatedTo: "200-1", locked: true })];
    assert.deepEqual(actionsIn({ nodes, requests: [pending], hand: hand() }), [
      "supplement 200-1 with small",
    ]);
    for (const state of ["failed", "aborted", "used", "deleting"] as const) {
      const open = [node("0001", state, { allocatedTo: "200-1" })];
      const { actions } = decide(world({ nodes: open, requests: [pending], hand: hand() }));
      assert.deepEqual(actions.map(({ kind }) => kind).sort(), ["delete", "supplement"], state);
    }
    const taken = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    assert.deepEqual(
      actionsIn({ nodes: taken, requests: [pending], hand: hand() }),
      ["supplement 200-1 with small"],
      "somebody else has it locked",
    );
  });

  it("gets all its nodes in one zone of its pool, whichever zone nodes of another pool are in", () => {
    const both = request("200-1", { ...pending.record, locked: true, nodeTypes: ["large", "small"] });
    const pools = [pool("other/main", ["small"]), served];
    const zone = (...nodes: NodeEntry[]) => {
      const { actions } = decide(world({ pools, nodes, requests: [both], hand: hand() }));
      return actions.flatMap((action) => (action.kind === "supplement" ? action.zone : []));
    };
    const ready = node("0001", "ready", { az: "a" });
    const own = node("0002", "ready", { az: "b", allocatedTo: "200-1" });
    const stranger = node("0003", "building", {
      az: "c",
      allocatedTo: "200-1",
      provider: "other",
      locked: true,
    });
    assert.deepEqual(zone(ready), ["a"]);
    assert.deepEqual(zone(ready, own), ["b"]);
    assert.deepEqual(zone(stranger), [null]);
  });

  it("is given up when a launch has failed for good, and failed when no other pool could serve it", () => {
    const nodes = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    const launches = new Map([launch("0001", served, { request: "200-1", status: "failed" })]);
    const scene = { nodes, requests: [pending], hand: hand({ launches }) };
    assert.deepEqual(actionsIn(scene), ["give up 200-1 for 0001, failed"]);
    const others = [otherPool("b/main", ["small"])];
    assert.deepEqual(actionsIn({ ...scene, others }), ["give up 200-1 for 0001"]);
    const declined = [request("200-1", { ...pending.record, locked: true, declinedBy: ["other b/main"] })];
    assert.deepEqual(actionsIn({ ...scene, others, requests: declined }), ["give up 200-1 for 0001, failed"]);
    const both = [request("200-1", { ...pending.record, locked: true, nodeTypes: ["small", "large"] })];
    assert.deepEqual(actionsIn({ ...scene, others, requests: both }), ["give up 200-1 for 0001, failed"]);
  });

  it("is given up for a pool whose provider is yet to be opened, and failed when that is not tried again", () => {
    const nodes = [node("0001", "building", { allocatedTo: "200-1", locked: true })];
    const launches = new Map([launch("0001", served, { request: "200-1", status: "failed" })]);
    const far = { pool: "far/main", labels: ["small"], problem: "no route", isExpected: true };
    const scene = { nodes, requests: [pending], hand: hand({ launches }) };
    assert.deepEqual(actionsIn({ ...scene, unserved: [far] }), ["give up 200-1 for 0001"]);
    const never = [{ ...far, isExpected: false }];
    assert.deepEqual(actionsIn({ ...scene, unserved: never }), ["give up 200-1 for 0001, failed"]);
    const whole = {
      pools: [pool("cloud/main", ["small"], { maxCores: 1 })],
      requests: [pending],
      hand: hand(),
    };
    const [late = ""] = actionsIn({ ...whole, unserved: [far] });
    assert.match(late, /^give up 200-1 for cloud\/main: it would exceed the quota: .*needed 2$/);
    assert.deepEqual(actionsIn({ ...whole, unserved: never }), [`${late}, failed`]);
  });

  it("is given up, and gets nothing more, when it does not fit any more into its pool as that is configured now", () => {
    const now = pool("cloud/main", ["large"]);
    const others = [otherPool("b/main", ["small"])];
    assert.deepEqual(actionsIn({ pools: [now], others, requests: [pending], hand: hand() }), [
      "give up 200-1 for cloud/main: label 'small' is not in the pool",
    ]);
    const less = pool("cloud/main", ["small", "large"], { maxServers: 1 });
    const two = request("200-1", { ...pending.record, locked: true, nodeTypes: ["small", "small"] });
    const idle = [node("0001", "ready", { type: ["large"] })];
    const { actions } = decide(world({ pools: [less], nodes: idle, requests: [two], hand: hand() }));
    assert.deepEqual(
      actions.map(({ kind }) => kind),
      ["give-up"],
      "no idle node has to go for it",
    );
  });

  it("is not given up for a launch that was begun in another pool, which declined it then", () => {
    const before = pool("other/main", ["small"]);
    const both = request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"] });
    const building = { allocatedTo: "200-1", locked: true };
    const nodes = [
      node("0001", "building", { ...building, provider: "other" }),
      node("0002", "building", building),
      node("0003", "building", building),
    ];
    for (const status of ["failed", "aborted", "ready"] as const) {
      const launches = new Map([
        launch("0001", before, { request: "200-1", status }),
        launch("0002", served, { request: "200-1", status: "ready" }),
        launch("0003", served, { request: "200-1", status: "ready" }),
      ]);
      const scene = { pools: [before, served], nodes, requests: [both], hand: hand({ launches }) };
      assert.deepEqual(actionsIn(scene), ["fulfil 200-1 with 0002,0003", "store 0001"]);
    }
  });

  it("has an idle node go when there is no room for one that it has lost", () => {
    const two = pool("cloud/main", ["small", "large"], { maxServers: 2 });
    const held = { requests: new Map([["200-1", { pool: two }]]) };
    const idle = node("0001", "ready", { type: ["large"] });
    const nodes = [idle, node("0002", "in-use", { locked: true })];
    const scene = { pools: [two], nodes, requests: [pending], hand: held };
    assert.deepEqual(actionsIn(scene), ["delete 0001: makes room for request 200-1"]);
    const leaving = node("0002", "deleting", { locked: true });
    assert.deepEqual(actionsIn({ ...scene, nodes: [idle, leaving] }), [], "one at a time");
  });

  it("is not passed by later ones when it has waited for a minute for nodes that it has lost", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const big = (createdTime: number) =>
      request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "small"], createdTime });
    const scene = (createdTime: number): Scene => ({
      pools: [two],
      nodes: [node("0001", "in-use", { locked: true })],
      requests: [big(createdTime), request("200-2")],
      hand: { requests: new Map([["200-1", { pool: two }]]) },
    });
    assert.deepEqual(actionsIn(scene(NOW - 59)), ["serve 200-2 at cloud/main with new"]);
    assert.deepEqual(actionsIn(scene(NOW - 61)), []);
  });

  it("is passed by later ones, however long it has waited, when it is for a min-ready node", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const scene = (requestor: string): Scene => ({
      pools: [two],
      nodes: [node("0001", "in-use", { locked: true })],
      requests: [
        request("200-1", {
          ...{ state: "pending", locked: true, createdTime: NOW - 3600, requestor },
          nodeTypes: ["small", "small"],
        }),
        request("200-2"),
      ],
      hand: { requests: new Map([["200-1", { pool: two }]]) },
    });
    assert.deepEqual(actionsIn(scene("zuul")), []);
    assert.deepEqual(actionsIn(scene(MIN_READY_REQUESTOR)), ["serve 200-2 at cloud/main with new"]);
  });

  it("keeps nodes for min-ready and other launchers waiting only where it is room that it waits for", () => {
    const decision = (limits: Pick<Scene, "tenants" | "pools">) =>
      decideIn({
        ...limits,
        labels: { large: { minReady: 1 } },
        nodes: [node("0001", "in-use", { tenantName: "acme", locked: true })],
        requests: [request("200-1", { ...pending.record, locked: true, tenantName: "acme", reuse: false })],
        hand: hand(),
      });
    const tenant = decision({ tenants: { acme: { instances: 1 } } });
    assert.deepEqual([tenant.actions, tenant.paused], [["ask for 1 large"], []]);
    const twice = { ...served, resourcesOf: (label: string) => ({ cores: label === "small" ? 2 : 1 }) };
    const full = decision({ pools: [{ ...twice, pool: { ...served.pool, maxCores: 3 } }] });
    assert.deepEqual([full.actions, full.paused], [[], ["cloud/main"]]);
    assert.equal(full.labelReasons.large, "cloud/main: request 200-1 waits for room and goes first");
  });

  it("wakes the launcher when a provider's refusal has ended, and not after that", () => {
    const wakeAt = (until: number) => {
      const quotaBlocks = new Map([["cloud", until]]);
      const limits = new Map([["cloud", { instances: 1 }]]);
      const nodes = [node("0001", "in-use", { locked: true })];
      return decideIn({ nodes, requests: [pending], hand: hand({ quotaBlocks, limits }) }).wakeAt;
    };
    assert.equal(wakeAt(NOW + 3), NOW + 3);
    assert.equal(wakeAt(NOW - 3), null);
  });

  it("is let go when it is gone, fulfilled or somebody else's", () => {
    assert.deepEqual(actionsIn({ hand: hand() }), ["drop 200-1"]);
    const done = [request("200-1", { state: "fulfilled", locked: true })];
    assert.deepEqual(actionsIn({ requests: done, hand: hand() }), ["drop 200-1"]);
    const pools = [pool("cloud/other", ["small"])];
    assert.deepEqual(
      actionsIn({ pools, requests: [pending], hand: hand() }),
      ["drop 200-1"],
      "its pool is gone",
    );
  });

  it("is taken over with its nodes when its launcher is gone", () => {
    const lost = request("200-1", { state: "pending" });
    const nodes = [node("0001", "building", { allocatedTo: "200-1" })];
    assert.deepEqual(actionsIn({ nodes, requests: [lost] }), ["adopt 200-1 at cloud/main"]);
  });

  it("is put back into the queue when nobody serves its nodes' pool", () => {
    const lost = request("200-1", { state: "pending" });
    assert.deepEqual(actionsIn({ requests: [lost] }), ["reset 200-1"]);
    const nodes = [node("0001", "building", { allocatedTo: "200-1", provider: "gone" })];
    assert.deepEqual(actionsIn({ nodes, requests: [lost] }), ["reset 200-1"]);
    const others = [otherPool("gone/main", ["small"])];
    assert.deepEqual(actionsIn({ nodes, others, requests: [lost] }), [], "its own launcher goes on");
  });

  it("is put back when its nodes are hosts: they are checked before they are handed over", () => {
    const lost = request("200-1", { state: "pending" });
    const nodes = [slotNode("0001", "ready", 0, { allocatedTo: "200-1" })];
    const scene = { pools: [hostPool("lab/main", [host()])], nodes, requests: [lost] };
    assert.deepEqual(actionsIn(scene), ["reset 200-1"]);
    const others = [otherPool("lab/main", ["small"])];
    assert.deepEqual(actionsIn({ ...scene, others }), ["reset 200-1"]);
  });

  it("is left alone while another launcher holds its lock", () => {
    const requests = [pending, request("200-2", { locked: true })];
    assert.deepEqual(actionsIn({ requests }), []);
  });
});
