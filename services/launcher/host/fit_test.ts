import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, FOUND, host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
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
import { keys } from "../actions.ts";
import { decide } from "../decide.ts";
import { Census } from "../pool/census.ts";
import { hostShortage } from "./fit.ts";

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

  it("gets a slot after a slow check for twice as long as the check took", () => {
    const took = (seconds: number) => {
      const last = { from: NOW - 5 - seconds, at: NOW - 5, found: FOUND, problem: null };
      return actionsIn({ nodes, requests, hand: knowing({ ...checked(one), last }) });
    };
    assert.deepEqual(took(3), ["serve 200-1 at lab/main with 0001"]);
    assert.deepEqual(took(2), ["check lab/zuul@h:22"]);
  });

  it("has its host checked, though nothing of the host has changed since the last decision", () => {
    const seen = world({ pools, nodes, requests, hand: knowing(checked(one, FOUND, { ago: 10 })) });
    decide(seen);
    seen.index.touch(keys.request("200-1"));
    assert.deepEqual(
      decide(seen).actions.map(({ kind }) => kind),
      ["check-host"],
    );
  });

  it("names a host once that is checked for several of its slots", () => {
    const wide = [hostPool("lab/main", [host({ slots: 2 })])];
    const both = [...nodes, slotNode("0002", "ready", 1)];
    const pair = [request("200-1", { nodeTypes: ["small", "small"] })];
    assert.deepEqual(decideIn({ pools: wide, nodes: both, requests: pair }).reasons, {
      "200-1": "lab/main: host zuul@h:22 is checked before it is handed over",
    });
  });

  it("is declined when it asks for more than its tenant may ever have", () => {
    const big = [request("200-1", { nodeTypes: ["small", "small"], tenantName: "acme" })];
    const wide = [hostPool("lab/main", [host({ slots: 2 })])];
    const [action = ""] = actionsIn({ pools: wide, requests: big, tenants: { acme: { instances: 1 } } });
    assert.match(action, /^fail 200-1: .*tenant 'acme'/);
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
    const failed = checked(one, "it is down");
    for (const useless of [slow, failed]) {
      const { actions } = decideIn({ pools: both, nodes: all, requests, hand: knowing(useless) });
      assert.ok(actions.includes("check lab/two@h:22"), "or has the other checked");
    }
  });

  it("is looked at again when the check that it waits for has taken a second", () => {
    const checking = knowing(checked(one, FOUND, { ago: 30, checkingSince: NOW - 0.25 }));
    assert.equal(decideIn({ pools, nodes, requests, hand: checking }).wakeAt, NOW + 0.75);
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

describe("a label of hosts", () => {
  const shortage = (scene: Scene) => {
    const seen = world(scene);
    const [first] = seen.pools;
    assert.ok(first);
    seen.index.prepare(NOW);
    return hostShortage(seen, new Census(seen.index), first, "small")?.text ?? null;
  };

  it("has no shortage while a slot is free whose host answers, or is checked first", () => {
    const nodes = [slotNode("0001", "ready", 0)];
    assert.equal(shortage({ pools, nodes, hand: knowing(checked(one)) }), null);
    assert.equal(shortage({ pools, nodes }), null);
  });

  it("is told how all its slots are taken when none is free", () => {
    const slow = host({ username: "slow" });
    const large = host({ username: "large", labels: ["large"] });
    const wide = host({ slots: 4 });
    const nodes = [
      slotNode("0001", "in-use", 0, { locked: true }),
      slotNode("0002", "testing", 1),
      slotNode("0003", "testing", 2),
      slotNode("0004", "ready", 0, { username: "slow" }),
    ];
    const hand = knowing(checked(slow, FOUND, { ago: 30, checkingSince: NOW - 2 }));
    assert.equal(
      shortage({ pools: [hostPool("lab/main", [wide, slow, large])], nodes, hand }),
      "too few free slots for label 'small': 1 busy, 2 out of service, 1 not answering, 1 not recorded yet",
    );
  });
});
