import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
import { decideIn, NOW, node, pool, request, type Scene } from "../../../test/harness/world.ts";

const main = pool("cloud/main", ["small"]);
const acme = { tenantName: "acme" };
const small = request("200-2", acme);
/** A request for two of the three nodes that its tenant may have, of which two are in use. */
const big = (age: number) =>
  request("200-1", { ...acme, nodeTypes: ["small", "small"], createdTime: NOW - age });
const decided = (scene: Scene) => {
  const nodes = [1, 2].map((id) => node(`000${id}`, "in-use", { ...acme, locked: true }));
  return decideIn({ pools: [main], tenants: { acme: { instances: 3 } }, nodes, ...scene });
};

describe("a request that waits for the limit of its tenant", () => {
  it("is passed by smaller ones of the tenant for a minute, then gets what comes back first", () => {
    assert.deepEqual(decided({ requests: [big(59), small] }).actions, ["serve 200-2 at cloud/main with new"]);
    const { actions, reasons } = decided({ requests: [big(61), small] });
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, {
      "200-1": "the limit of instances of tenant 'acme' is 3, in use 2, needed 2".replace(
        /^/,
        "cloud/main: ",
      ),
      "200-2": "cloud/main: request 200-1 has waited long and gets the next of what tenant 'acme' may have",
    });
  });

  it("is passed neither by those that take ready nodes, nor by those that take hosts", () => {
    const used = [1, 2].map((id) => node(`000${id}`, "in-use", { ...acme, locked: true }));
    const ready = [...used, node("0003", "ready")];
    assert.deepEqual(decided({ nodes: ready, requests: [big(61), small] }).actions, []);
    const one = host({ labels: ["host"] });
    const pools = [main, hostPool("lab/main", [one])];
    const hosts = [...used, slotNode("0003", "ready", 0, { type: ["host"] })];
    const wanting = request("200-2", { ...acme, nodeTypes: ["host"] });
    const reasons = decided({ pools, nodes: hosts, requests: [big(61), wanting] }).reasons;
    assert.match(reasons["200-2"] ?? "", /^lab\/main: request 200-1 has waited long/);
  });

  it("keeps nobody of another tenant waiting", () => {
    const other = request("200-2", { tenantName: "other" });
    const tenants = { acme: { instances: 3 }, other: { instances: 1 } };
    const serve = ["serve 200-2 at cloud/main with new"];
    assert.deepEqual(decided({ tenants, requests: [big(61), other] }).actions, serve);
    assert.deepEqual(decided({ requests: [big(61), request("200-2")] }).actions, serve);
  });

  it("is passed by what leaves enough for it, while it waits for room", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 2 }), pool("other/main", ["large"])];
    const large = request("200-2", { ...acme, nodeTypes: ["large"] });
    const acts = (instances: number) =>
      decided({ pools, tenants: { acme: { instances } }, requests: [big(61), large] }).actions;
    assert.deepEqual(acts(5), ["serve 200-2 at other/main with new"]);
    assert.deepEqual(acts(4), []);
  });

  it("goes before others also when it is in hand and lacks a node, and waits for none of them", () => {
    const hand = { requests: new Map([["200-1", { pool: main }]]) };
    const pending = (age: number) =>
      request("200-1", {
        ...acme,
        state: "pending",
        locked: true,
        createdTime: NOW - age,
        nodeTypes: ["small", "small"],
      });
    const nodes = [1, 2, 3].map((id) => node(`000${id}`, "in-use", { ...acme, locked: true }));
    const freed = nodes.slice(1);
    const tenants = { acme: { instances: 4 } };
    const wide = { acme: { instances: 3 } };
    assert.deepEqual(decided({ tenants, nodes, hand, requests: [pending(59), small] }).actions, [
      "serve 200-2 at cloud/main with new",
    ]);
    assert.deepEqual(decided({ tenants, nodes, hand, requests: [pending(61), small] }).actions, []);
    const elder = request("100-1", {
      ...acme,
      nodeTypes: ["small", "small", "small"],
      createdTime: NOW - 61,
    });
    const own = node("0009", "ready", { ...acme, allocatedTo: "200-1" });
    assert.deepEqual(
      decided({ tenants: wide, nodes: [own, ...freed.slice(1)], hand, requests: [elder, pending(0)] })
        .actions,
      ["supplement 200-1 with small"],
    );
  });
});
