import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  checked,
  FOUND,
  host,
  hostPool,
  KEY,
  knowing,
  OTHER_KEY,
  slotNode,
} from "../../../test/harness/host_world.ts";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";
import { encodeMemory } from "./memory.ts";

const one = host();
const pools = [hostPool("lab/main", [one])];
const actionsIn = (scene: Scene) => decideIn({ pools, ...scene }).actions;
const suspicions = (time: number) =>
  encodeMemory({
    suspicions: ["a", "b"].map((job) => ({ time, job, reason: "broken" })),
    trustedSince: 0,
  });

describe("the keeper of hosts", () => {
  it("checks a host before it records its slots, and records them as the check has it", () => {
    assert.deepEqual(actionsIn({ hand: knowing() }), ["check lab/zuul@h:22"]);
    assert.deepEqual(actionsIn({ hand: knowing(checked(one)) }), ["register lab/zuul@h:22 0 ready"]);
    assert.deepEqual(actionsIn({ hand: knowing(checked(one, "it is down")) }), [
      "register lab/zuul@h:22 0 testing",
    ]);
    assert.deepEqual(actionsIn({}), [], "another launcher does nothing of it");
  });

  it("records a slot on the word of a check that has just ended only", () => {
    assert.deepEqual(actionsIn({ hand: knowing(checked(one, FOUND, { ago: 30 })) }), ["check lab/zuul@h:22"]);
  });

  it("records what cannot be checked as out of service, without a check", () => {
    const broken = host({ problem: "its host-key cannot be read" });
    const scene = { pools: [hostPool("lab/main", [broken])], hand: knowing() };
    assert.deepEqual(actionsIn(scene), ["register lab/zuul@h:22 0 testing"]);
  });

  it("takes idle slots out of service when the check fails, and brings them back when it passes", () => {
    const ready = [slotNode("0001", "ready", 0)];
    assert.deepEqual(actionsIn({ nodes: ready, hand: knowing(checked(one, "it is down")) }), [
      "update 0001 testing",
    ]);
    const out = [slotNode("0001", "testing", 0, { comment: "out of service: it is down" })];
    assert.deepEqual(actionsIn({ nodes: out, hand: knowing(checked(one)) }), ["update 0001 ready"]);
    assert.deepEqual(
      actionsIn({ nodes: out, hand: { hosts: knowing(checked(one)).hosts ?? new Map() } }),
      [],
    );
  });

  it("does not bring back on the word of a check that is older than the trouble", () => {
    const out = [
      slotNode("0001", "testing", 0, { stateTime: NOW - 10, comment: "out of service: it is down" }),
    ];
    const scene = { nodes: out, hand: knowing(checked(one, FOUND, { ago: 20 })) };
    assert.deepEqual(actionsIn(scene), ["check lab/zuul@h:22"]);
  });

  it("checks idle hosts from time to time, and those that failed sooner", () => {
    const ready = [slotNode("0001", "ready", 0)];
    const wake = (ago: number, found: typeof FOUND | string = FOUND, failures = 1) => {
      const status = checked(one, found, { ago, failures });
      const nodes =
        typeof found === "string"
          ? [slotNode("0001", "testing", 0, { comment: `out of service: ${found}` })]
          : ready;
      return decideIn({ pools, nodes, hand: knowing(status) });
    };
    assert.deepEqual(wake(10).actions, []);
    const next = (wake(10).wakeAt ?? 0) - (NOW - 10);
    assert.ok(next >= 45 && next <= 75, `${next} s after the last`);
    assert.deepEqual(wake(80).actions, ["check lab/zuul@h:22"]);
    assert.equal(wake(0, "it is down").wakeAt, NOW + 5);
    assert.equal(wake(0, "it is down", 3).wakeAt, NOW + 20);
  });

  it("leaves slots alone that are in use, allocated or locked", () => {
    const nodes = [
      slotNode("0001", "in-use", 0, { locked: true }),
      slotNode("0002", "ready", 1, { allocatedTo: "200-1" }),
      slotNode("0003", "ready", 2, { locked: true }),
    ];
    const three = host({ slots: 3, labels: ["large"] });
    const requests = [request("200-1", { state: "fulfilled" })];
    const scene = { pools: [hostPool("lab/main", [three])], nodes, requests, hand: knowing(checked(three)) };
    assert.deepEqual(actionsIn(scene), []);
  });

  it("removes idle records that stand for no slot, and lets jobs end", () => {
    const nodes = [
      slotNode("0001", "ready", 0),
      slotNode("0002", "ready", 1),
      slotNode("0003", "in-use", 2, { locked: true }),
    ];
    assert.deepEqual(actionsIn({ nodes, hand: knowing(checked(one)) }), [
      "delete 0002: slot 1 is beyond the 1 of zuul@h:22",
    ]);
  });
});

describe("a pool of hosts that has another name", () => {
  it("takes the slots over as they are", () => {
    const moved = host({ pool: "new" });
    const scene = {
      pools: [hostPool("lab/new", [moved])],
      nodes: [slotNode("0001", "ready", 0), slotNode("0002", "ready", 0, { hostname: "gone" })],
    };
    const retired = new Set(["lab/main"]);
    assert.deepEqual(actionsIn({ ...scene, hand: { ...knowing(checked(moved)), retired } }), [
      "update 0001 ready",
      "delete 0002: host zuul@gone:22 is not in the configuration any more",
    ]);
    assert.deepEqual(actionsIn({ ...scene, hand: { retired } }), [], "this launcher does not keep the hosts");
  });
});

describe("the key of a host", () => {
  it("is that of its first scan where the configuration has none", () => {
    const scanned = host({ hostKeys: [] });
    const scene = { pools: [hostPool("lab/main", [scanned])], nodes: [slotNode("0001", "ready", 0)] };
    assert.deepEqual(actionsIn({ ...scene, hand: knowing(checked(scanned)) }), []);
    const changed = checked(scanned, { ...FOUND, hostKeys: [OTHER_KEY] });
    assert.deepEqual(actionsIn({ ...scene, hand: knowing(changed) }), ["update 0001 testing"]);
  });

  it("may be changed by the configuration", () => {
    const configured = host({ hostKeys: [OTHER_KEY] });
    const nodes = [slotNode("0001", "testing", 0, { comment: "out of service: changed", hostKeys: [KEY] })];
    const hand = knowing(checked(configured, { ...FOUND, hostKeys: [OTHER_KEY] }));
    assert.deepEqual(actionsIn({ pools: [hostPool("lab/main", [configured])], nodes, hand }), [
      "update 0001 ready",
    ]);
  });
});

describe("a host that is not trusted", () => {
  const out = (driverData: ReturnType<typeof suspicions>) => [
    slotNode("0001", "testing", 0, {
      driverData,
      comment: "out of service: suspicious runs of 2 jobs (a: broken; b: broken)",
    }),
  ];

  it("is taken out although it answers", () => {
    const nodes = [slotNode("0001", "ready", 0, { driverData: suspicions(NOW - 5) })];
    assert.deepEqual(actionsIn({ nodes, hand: knowing(checked(one)) }), ["update 0001 testing"]);
  });

  it("comes back after a minute, by a check that passes", () => {
    assert.deepEqual(actionsIn({ nodes: out(suspicions(NOW - 61)), hand: knowing(checked(one)) }), [
      "update 0001 ready",
    ]);
    const failed = knowing(checked(one, "it is down"));
    assert.deepEqual(actionsIn({ nodes: out(suspicions(NOW - 61)), hand: failed }), ["update 0001 testing"]);
  });
});
