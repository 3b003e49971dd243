import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, FOUND, host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
import { decideIn, NOW, node, otherPool, pool, request, type Scene } from "../../../test/harness/world.ts";

const one = host();
const pools = [hostPool("lab/main", [one])];
const actionsIn = (scene: Scene) => decideIn({ pools, ...scene }).actions;

describe("a request for hosts", () => {
  const nodes = [slotNode("0001", "ready", 0)];
  const requests = [request("200-1")];

  it("gets a slot of a host that has just passed its check, else the check comes first", () => {
    assert.deepEqual(actionsIn({ nodes, requests, hand: knowing(checked(one)) }), [
      "serve 200-1 at lab/main with 0001",
    ]);
    const stale = decideIn({ pools, nodes, requests, hand: knowing(checked(one, FOUND, { ago: 10 })) });
    assert.deepEqual(stale.actions, ["check lab/zuul@h:22"]);
    assert.deepEqual(stale.reasons, {
      "200-1": "lab/main: host zuul@h:22 is checked before it is handed over",
    });
    const both = [host({ name: "h" }), host({ name: "i" })];
    const several = decideIn({
      pools: [hostPool("lab/main", both)],
      nodes: [...nodes, slotNode("0002", "ready", 0, { hostname: "i", externalId: "i", interfaceIp: "i" })],
      requests: [request("200-1", { nodeTypes: ["small", "small"] })],
    });
    assert.deepEqual(several.reasons, {
      "200-1": "lab/main: hosts zuul@h:22, zuul@i:22 are checked before they are handed over",
    });
  });

  it("has hosts checked for those behind it as well", () => {
    const hosts = ["one", "two", "three"].map((username) => host({ username }));
    const all = hosts.map(({ username }, index) => slotNode(`000${index}`, "ready", 0, { username }));
    const hand = knowing(...hosts.map((each) => checked(each, FOUND, { ago: 10 })));
    const waiting = [request("200-1"), request("200-2")];
    assert.deepEqual(
      actionsIn({ pools: [hostPool("lab/main", hosts)], nodes: all, requests: waiting, hand }),
      ["check lab/one@h:22", "check lab/two@h:22"],
    );
  });

  it("is served by another host when a check takes long", () => {
    const two = host({ username: "two" });
    const both = [hostPool("lab/main", [one, two])];
    const all = [...nodes, slotNode("0002", "ready", 0, { username: "two" })];
    const slow = checked(one, FOUND, { ago: 30, checkingSince: NOW - 2 });
    assert.deepEqual(actionsIn({ pools: both, nodes: all, requests, hand: knowing(slow, checked(two)) }), [
      "serve 200-1 at lab/main with 0002",
    ]);
  });

  it("for several labels is served when the hosts can, whichever slot is older", () => {
    const both = host({ labels: ["small", "large"] });
    const large = host({ username: "two", labels: ["large"] });
    const scene = {
      pools: [hostPool("lab/main", [both, large])],
      nodes: [
        slotNode("0001", "ready", 0, { type: ["small", "large"] }),
        slotNode("0002", "ready", 0, { type: ["large"], username: "two" }),
      ],
      requests: [request("200-1", { nodeTypes: ["large", "small"] })],
      hand: knowing(checked(both), checked(large)),
    };
    assert.deepEqual(decideIn(scene).actions, ["serve 200-1 at lab/main with 0002,0001"]);
  });

  it("gets a slot alone, though the slot has labels of several", () => {
    const both = host({ labels: ["small", "large"] });
    const scene = {
      pools: [hostPool("lab/main", [both])],
      nodes: [slotNode("0001", "ready", 0, { type: ["small", "large"] })],
      requests: [request("200-1"), request("200-2", { nodeTypes: ["large"] })],
      hand: knowing(checked(both)),
    };
    assert.deepEqual(decideIn(scene).actions, ["serve 200-1 at lab/main with 0001"]);
  });

  it("is for hosts and a cloud together served by one of them", () => {
    const cloud = pool("cloud/main", ["small", "large"]);
    const mixed = [request("200-1", { nodeTypes: ["small", "large"] }), request("200-2")];
    assert.deepEqual(
      actionsIn({ pools: [...pools, cloud], nodes, requests: mixed, hand: knowing(checked(one)) }),
      ["serve 200-1 at cloud/main with new,new", "serve 200-2 at lab/main with 0001"],
    );
  });

  it("waits for a check rather than have a node launched, unless that pool comes first", () => {
    const hand = knowing(checked(one, FOUND, { ago: 10 }));
    const cloud = (priority: number) => [...pools, pool("cloud/main", ["small"], { priority })];
    assert.deepEqual(actionsIn({ pools: cloud(100), nodes, requests, hand }), ["check lab/zuul@h:22"]);
    assert.deepEqual(actionsIn({ pools: cloud(1), nodes, requests, hand }), [
      "serve 200-1 at cloud/main with new",
    ]);
    const all = [...nodes, node("0009", "ready")];
    const there = actionsIn({ pools: cloud(100), nodes: all, requests, hand });
    assert.deepEqual(there, ["serve 200-1 at cloud/main with 0009"]);
  });

  it("waits while the hosts are busy, and is declined when they can never serve it", () => {
    const busy = decideIn({ pools, nodes: [slotNode("0001", "in-use", 0, { locked: true })], requests });
    assert.deepEqual(busy.actions, []);
    assert.deepEqual(busy.reasons, { "200-1": "lab/main: too few free slots for label 'small': 1 busy" });
    const reason = "lab/main: it can never have 2 of 'small', of which its hosts have 1";
    const big = [request("200-1", { nodeTypes: ["small", "small"] })];
    assert.deepEqual(actionsIn({ nodes, requests: big }), [`fail 200-1: ${reason}`]);
    assert.deepEqual(actionsIn({ nodes, requests: big, others: [otherPool("x/main", ["small"])] }), [
      `decline 200-1: ${reason}`,
    ]);
    assert.match(
      actionsIn({ nodes, requests: [request("200-1", { reuse: false })] })[0] ?? "",
      /none that was ready before/,
    );
  });

  it("is told that a slot is busy that somebody has locked, or that is given to another request", () => {
    const reason = "lab/main: too few free slots for label 'small': 1 busy";
    const locked = [slotNode("0001", "ready", 0, { locked: true })];
    assert.deepEqual(decideIn({ pools, nodes: locked, requests }).reasons, { "200-1": reason });
    const two = [request("200-1"), request("200-2", { nodeTypes: ["small", "small"] })];
    const wide = [hostPool("lab/main", [host({ slots: 2 })])];
    const both = [slotNode("0001", "ready", 0), slotNode("0002", "ready", 1)];
    const given = decideIn({
      pools: wide,
      nodes: both,
      requests: two,
      hand: knowing(checked(host({ slots: 2 }))),
    });
    assert.deepEqual(given.actions, ["serve 200-1 at lab/main with 0001"]);
    assert.equal(given.reasons["200-2"], "lab/main: too few free slots for label 'small': 1 busy, 1 free");
  });

  it("is declined when several labels need more slots than one host has", () => {
    const both = host({ labels: ["small", "large"] });
    const scene = {
      pools: [hostPool("lab/main", [both])],
      requests: [request("200-1", { nodeTypes: ["small", "large"] })],
    };
    assert.match(actionsIn(scene)[0] ?? "", /^fail 200-1: .*can never have 1 of 'small'.* and 1 of 'large'/);
  });
});
