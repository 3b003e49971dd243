// What goes to make room, and what a request that waits for room takes meanwhile.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideIn, NOW, node, pool, request, type Scene } from "../../../test/harness/world.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const two = pool("cloud/main", ["small", "large"], { maxServers: 2 });
const both = request("200-1", { nodeTypes: ["small", "small"] });

describe("room for a request that can take some ready nodes", () => {
  it("is not made by deleting one that it would take", () => {
    const nodes = [node("0001", "ready"), node("0002", "ready", { type: ["large"] })];
    assert.deepEqual(actionsIn({ pools: [two], nodes, requests: [both] }), [
      "delete 0002: makes room for request 200-1",
    ]);
    const alone = [node("0001", "ready"), node("0002", "in-use", { locked: true })];
    assert.deepEqual(actionsIn({ pools: [two], nodes: alone, requests: [both] }), []);
  });

  it("is made by one that it cannot take, as it is in another zone or the request takes no ready ones", () => {
    const apart = [node("0001", "ready", { az: "one" }), node("0002", "ready", { az: "two" })];
    assert.deepEqual(actionsIn({ pools: [two], nodes: apart, requests: [both] }), [
      "delete 0002: makes room for request 200-1",
    ]);
    const nodes = [node("0001", "ready"), node("0002", "in-use", { locked: true })];
    const fresh = request("200-1", { reuse: false });
    assert.deepEqual(actionsIn({ pools: [two], nodes, requests: [fresh] }), [
      "delete 0001: makes room for request 200-1",
    ]);
  });

  it("is made for the request behind it by any, for nothing is reserved yet", () => {
    const nodes = [node("0001", "ready"), node("0002", "in-use", { locked: true })];
    const requests = [both, request("200-2", { nodeTypes: ["large"] })];
    assert.deepEqual(actionsIn({ pools: [two], nodes, requests }), [
      "delete 0001: makes room for request 200-2",
    ]);
  });
});

describe("a request in hand that has lost nodes", () => {
  const pending = (more: object = {}) =>
    request("200-1", { state: "pending", locked: true, nodeTypes: ["small", "large"], ...more });
  const own = node("0001", "ready", { allocatedTo: "200-1", az: "one" });
  const scene = (more: Scene): Scene => ({
    pools: [two],
    requests: [pending()],
    hand: { requests: new Map([["200-1", { pool: two }]]) },
    ...more,
  });
  const large = (az: string | null) => node("0002", "ready", { type: ["large"], az });

  it("takes a ready node in their place, of its own zone, although there is no room", () => {
    assert.deepEqual(actionsIn(scene({ nodes: [own, large("one")] })), ["supplement 200-1 with 0002"]);
    assert.deepEqual(actionsIn(scene({ nodes: [own, large("two")] })), [
      "delete 0002: makes room for request 200-1",
    ]);
  });

  it("takes none when it takes no ready nodes", () => {
    const requests = [pending({ reuse: false })];
    assert.deepEqual(actionsIn(scene({ requests, nodes: [own, large("one")] })), [
      "delete 0002: makes room for request 200-1",
    ]);
  });

  it("takes ready nodes and launches the others at once, or waits and keeps the ready ones from going", () => {
    const requests = [pending({ nodeTypes: ["small", "large", "small"] })];
    const three = pool("cloud/main", ["small", "large"], { maxServers: 3 });
    const hand = { requests: new Map([["200-1", { pool: three }]]) };
    const nodes = [own, large("one")];
    assert.deepEqual(actionsIn(scene({ pools: [three], hand, requests, nodes })), [
      "supplement 200-1 with 0002,small",
    ]);
    const full = [...nodes, node("0003", "in-use", { locked: true })];
    assert.deepEqual(actionsIn(scene({ pools: [three], hand, requests, nodes: full })), []);
    const idle = [...nodes, node("0003", "ready", { type: ["large"] })];
    assert.deepEqual(actionsIn(scene({ pools: [three], hand, requests, nodes: idle })), [
      "delete 0003: makes room for request 200-1",
    ]);
  });

  it("takes a ready node while the provider refuses launches, within the limit of its tenant", () => {
    const nodes = [own, large("one")];
    const requests = [pending({ tenantName: "acme" })];
    const quotaBlocks = new Map([["cloud", NOW + 3]]);
    const hand = { requests: new Map([["200-1", { pool: two }]]), quotaBlocks };
    assert.deepEqual(actionsIn(scene({ hand, requests, nodes })), ["supplement 200-1 with 0002"]);
    const tenants = { acme: { instances: 2 } };
    const used = node("0003", "in-use", { tenantName: "acme", provider: "elsewhere", locked: true });
    const kept = [node("0001", "ready", { allocatedTo: "200-1", az: "one", tenantName: "acme" })];
    assert.deepEqual(actionsIn(scene({ hand, tenants, requests, nodes: [...kept, large("one"), used] })), []);
  });
});
