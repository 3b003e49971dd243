import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { host, hostPool } from "../../../test/harness/host_world.ts";
import {
  decideIn,
  NOW,
  node,
  otherPool,
  pool,
  request,
  type Scene,
  world,
} from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { encodeOwnData } from "../request/own_data.ts";

const labels = { small: { minReady: 2 } };
const asked = (more: object = {}) => ({ requestor: MIN_READY_REQUESTOR, reuse: false, ...more });
const actionsIn = (scene: Scene) => decideIn({ labels, ...scene }).actions;

describe("min-ready", () => {
  it("asks for what is missing, once", () => {
    assert.deepEqual(actionsIn({}), ["ask for 2 small"]);
    assert.deepEqual(actionsIn({ nodes: [node("0001", "ready")] }), ["ask for 1 small"]);
    assert.deepEqual(actionsIn({ busy: ["label:small"] }), []);
  });

  it("counts requests under way, and nodes whose request is gone or done", () => {
    const requests = [
      request("900-1", asked({ state: "pending", locked: true })),
      request("900-2", asked({ state: "requested", locked: true })),
    ];
    assert.deepEqual(actionsIn({ requests }), []);
    const orphan = node("0001", "building", { requestor: MIN_READY_REQUESTOR, locked: true });
    assert.deepEqual(actionsIn({ nodes: [orphan] }), ["ask for 1 small"]);
    const freed = node("0001", "ready", { allocatedTo: "900-9" });
    assert.deepEqual(actionsIn({ nodes: [freed] }), ["free 0001", "ask for 1 small"]);
  });

  it("does not count nodes that are allocated, held or in use", () => {
    const nodes = [
      node("0001", "ready", { allocatedTo: "200-1" }),
      node("0002", "hold"),
      node("0003", "in-use", { locked: true }),
    ];
    const requests = [request("200-1", { state: "fulfilled" })];
    assert.deepEqual(actionsIn({ nodes, requests }), ["ask for 2 small"]);
  });

  it("replaces a node when it is given away, not when that is only decided", () => {
    const nodes = [node("0001", "ready"), node("0002", "ready")];
    const serve = "serve 200-1 at cloud/main with 0001";
    assert.deepEqual(actionsIn({ nodes, requests: [request("200-1")] }), [serve]);
    const [given, kept] = [node("0001", "ready", { allocatedTo: "200-1" }), node("0002", "ready")];
    const fulfilled = request("200-1", { state: "fulfilled" });
    assert.deepEqual(actionsIn({ nodes: [given, kept], requests: [fulfilled] }), ["ask for 1 small"]);
  });

  it("asks for no more than there is room for, and says what is in the way", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const decision = decideIn({ labels, pools });
    assert.deepEqual(decision.actions, ["ask for 1 small"]);
    assert.deepEqual(decision.labelReasons, {
      small: "cloud/main: max-servers is 1, in use 1, needed 1",
    });
  });

  it("is looked at again when a provider's refusal has ended, and not after that", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const nodes = [node("0001", "in-use", { locked: true })];
    const wakeAt = (until: number) =>
      decideIn({ labels, pools, nodes, hand: { quotaBlocks: new Map([["cloud", until]]) } }).wakeAt;
    assert.equal(wakeAt(NOW + 3), NOW + 3);
    assert.equal(wakeAt(NOW - 3), null);
  });

  it("asks for nothing while the image is missing or the pool is switched off", () => {
    const decision = decideIn({ labels, imageAt: [] });
    assert.deepEqual(decision.actions, []);
    assert.match(decision.labelReasons.small ?? "", /no ready upload at provider 'cloud'/);
    assert.deepEqual(actionsIn({ pools: [pool("cloud/main", ["small"], { maxServers: -1 })] }), []);
  });

  it("asks for nothing on account of hosts that have the label too: no request makes more of them", () => {
    const pools = [hostPool("lab/main", [host()]), pool("cloud/main", ["small"], { maxServers: 1 })];
    const nodes = [node("0001", "in-use", { locked: true })];
    const { actions, labelReasons } = decideIn({ labels, pools, nodes });
    assert.deepEqual(actions, []);
    assert.equal(labelReasons.small, "cloud/main: max-servers is 1, in use 1, needed 1");
  });

  it("asks for nothing on account of pools that are switched off or lack the label", () => {
    const off = pool("off/main", ["small"], { provider: { maxConcurrency: 0 } });
    const pools = [off, pool("cloud/main", ["small"], { maxServers: 1 }), pool("other/main", ["large"])];
    const { actions, labelReasons } = decideIn({ labels, pools });
    assert.deepEqual(actions, ["ask for 1 small"]);
    assert.equal(labelReasons.small, "cloud/main: max-servers is 1, in use 1, needed 1");
  });

  it("asks for all that is missing where another launcher may serve it, which knows its own room", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const asksWith = (label: string) => actionsIn({ pools, others: [otherPool("other/main", [label])] });
    assert.deepEqual(asksWith("small"), ["ask for 2 small"]);
    assert.deepEqual(asksWith("large"), ["ask for 1 small"]);
  });

  it("asks for nothing where the provider has just refused, unless the clock was set back since", () => {
    const refusedUntil = (until: number) =>
      decideIn({ labels, hand: { quotaBlocks: new Map([["cloud", until]]) } });
    for (const until of [NOW + 1, NOW + 5]) {
      const { actions, labelReasons } = refusedUntil(until);
      assert.deepEqual(actions, []);
      assert.match(labelReasons.small ?? "", /^cloud\/main: the provider refused the last launch/);
    }
    for (const until of [NOW, NOW + 6]) assert.deepEqual(refusedUntil(until).actions, ["ask for 2 small"]);
  });

  it("leaves the room to a request that waits for it", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 2 })];
    const nodes = [node("0001", "in-use", { locked: true })];
    const requests = [request("200-1", { nodeTypes: ["small", "small"] })];
    const { actions, labelReasons } = decideIn({ labels, pools, nodes, requests });
    assert.deepEqual(actions, []);
    assert.equal(labelReasons.small, "cloud/main: request 200-1 waits for room and goes first");
  });

  it("is not kept by a launcher that keeps other labels", () => {
    for (const extra of [{ min_ready: { large: 1 } }, { min_ready: null }, { min_ready: "small" }]) {
      const elder = { ...otherPool("other/main", ["small"], { extra }), znode: "a0000000000" };
      assert.deepEqual(actionsIn({ others: [elder] }), ["ask for 2 small"]);
    }
  });

  it("is kept by the launcher that was registered first, and by us when others do not keep it", () => {
    const elder = {
      ...otherPool("other/main", ["small"], { extra: { min_ready: { small: 2 } } }),
      znode: "a0000000000",
    };
    const pools = [pool("first/main", ["large"]), pool("cloud/main", ["small"])];
    assert.deepEqual(actionsIn({ pools, others: [elder] }), []);
    const python = { ...elder, record: elder.record && { ...elder.record, extra: {} } };
    assert.deepEqual(actionsIn({ pools, others: [python] }), ["ask for 2 small"]);
  });

  it("does not wait until a pool of ours that goes is withdrawn, so that labels are asked for in their order", () => {
    const going = {
      ...otherPool("cloud/old", ["small"], { extra: { min_ready: { small: 1 } } }),
      znode: "a0000000000",
    };
    const pools = [pool("first/main", []), pool("cloud/main", ["small", "large"], { maxServers: 2 })];
    const scene: Scene = {
      pools,
      others: [going],
      labels: { small: { minReady: 1 }, large: { minReady: 2 } },
    };
    assert.deepEqual(actionsIn(scene), ["ask for 2 large"]);
    const hand = { withdrawing: new Set(["other cloud/old"]) };
    assert.deepEqual(actionsIn({ ...scene, hand }), ["ask for 1 small", "ask for 1 large"]);
  });

  it("serves its own requests without making room for them", () => {
    const pools = [pool("cloud/main", ["small", "large"], { maxServers: 1 })];
    const nodes = [node("0001", "ready", { type: ["large"] })];
    const own = asked({ requestorData: encodeOwnData({ minReady: true }) });
    const decision = decideIn({
      pools,
      nodes,
      labels: { small: { minReady: 1 } },
      requests: [request("900-1", own)],
    });
    assert.deepEqual(decision.actions, []);
    assert.deepEqual(decision.paused, []);
  });

  it("settles a request of ours that another launcher has ended", () => {
    const own = asked({ state: "failed", requestorData: encodeOwnData({ minReady: true }) });
    assert.deepEqual(actionsIn({ requests: [request("900-1", own)], busy: ["label:small"] }), [
      "settle-min-ready 900-1",
    ]);
  });

  it("settles one that has failed before it asks for the next", () => {
    const own = asked({ state: "failed", requestorData: encodeOwnData({ minReady: true }) });
    const scene: Scene = { labels: { small: { minReady: 1 } }, requests: [request("900-1", own)] };
    assert.deepEqual(actionsIn(scene), ["settle-min-ready 900-1"]);
  });

  it("leaves one that has failed to whoever asks for its label", () => {
    const own = asked({ state: "failed", requestorData: encodeOwnData({ minReady: true }) });
    const elder = {
      ...otherPool("other/main", ["small"], { extra: { min_ready: { small: 2 } } }),
      znode: "a0000000000",
    };
    const pools = [pool("first/main", []), pool("cloud/main", ["small"])];
    const requests = [request("900-1", own)];
    assert.deepEqual(actionsIn({ pools, others: [elder], requests }), []);
    assert.deepEqual(actionsIn({ pools, others: [elder], requests, labels: { small: { minReady: 0 } } }), []);
    const settle = ["settle-min-ready 900-1"];
    assert.deepEqual(actionsIn({ pools, requests, labels: { small: { minReady: 0 } } }), settle);
  });

  it("waits after a node could not be had, and says why", () => {
    const setback = { count: 3, since: NOW - 1, until: NOW + 6, reason: "no valid host was found" };
    const hand = { setbacks: new Map([["small", setback]]) };
    const decision = decideIn({ labels, hand });
    assert.deepEqual(decision.actions, []);
    assert.equal(
      decision.labelReasons.small,
      "the last one failed (no valid host was found); the next is asked for at 1970-01-01T02:46:46Z",
    );
    assert.equal(decision.wakeAt, NOW + 6);
    const over = { setbacks: new Map([["small", { ...setback, until: NOW }]]) };
    assert.deepEqual(actionsIn({ hand: over }), ["ask for 2 small"]);
  });

  it("begins with a short pause again once the label has had all its nodes, and no sooner", () => {
    const satisfied = (...nodes: NodeEntry[]) => [...decide(world({ labels, nodes })).satisfied];
    assert.deepEqual(satisfied(node("0001", "ready")), []);
    assert.deepEqual(satisfied(node("0001", "ready"), node("0002", "ready")), ["small"]);
  });
});
