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
import { decideIn, NOW, request, type Scene, world } from "../../../test/harness/world.ts";
import type { Hand, HostStatus } from "../actions.ts";
import { decide } from "../decide.ts";
import { encodeMemory } from "./memory.ts";

const one = host();
const pools = [hostPool("lab/main", [one])];
const actionsIn = (scene: Scene) => decideIn({ pools, ...scene }).actions;
/** What is in hand of a launcher that knows this, and does not keep the hosts. */
const knowingOnly = (...known: readonly HostStatus[]): Partial<Hand> => {
  const { hosts = new Map() } = knowing(...known);
  return { hosts };
};
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
    assert.deepEqual(actionsIn({ nodes: out, hand: knowingOnly(checked(one)) }), []);
  });

  it("does not bring back on the word of a check that is older than the trouble", () => {
    const out = [
      slotNode("0001", "testing", 0, { stateTime: NOW - 10, comment: "out of service: it is down" }),
    ];
    const passed = { from: NOW - 20, at: NOW - 5, found: FOUND, problem: null };
    const status = { ...checked(one), last: passed };
    assert.deepEqual(actionsIn({ nodes: out, hand: knowing(status) }), ["check lab/zuul@h:22"]);
    assert.deepEqual(
      actionsIn({ nodes: out, hand: knowingOnly(status) }),
      [],
      "it is the keeper's to check it",
    );
  });

  it("checks once a second whether a host is back that one with a clock ahead has taken out", () => {
    const out = [
      slotNode("0001", "testing", 0, { stateTime: NOW + 30, comment: "out of service: it is down" }),
    ];
    const { actions, wakeAt } = decideIn({ pools, nodes: out, hand: knowing(checked(one)) });
    assert.deepEqual({ actions, wakeAt }, { actions: [], wakeAt: NOW + 1 });
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
    const atMost = (wake(0, "it is down", 2000).wakeAt ?? 0) - NOW;
    assert.ok(atMost >= 45 && atMost <= 75, `${atMost} s after the last of many failures`);
  });

  it("waits after a check that could not be made, and is not woken before", () => {
    const hand = { ...knowing(), isBusy: () => true, retryAt: () => NOW + 3 };
    const { actions, wakeAt } = decideIn({ pools, hand });
    assert.deepEqual({ actions, wakeAt }, { actions: [], wakeAt: NOW + 3 });
  });

  it("is not woken for a host while something is being done about it", () => {
    assert.equal(decideIn({ pools, hand: knowing(), busy: ["host:lab/zuul@h:22"] }).wakeAt, null);
  });

  it("leaves slots alone that are in use, allocated or locked", () => {
    const nodes = [
      slotNode("0001", "in-use", 0, { locked: true }),
      slotNode("0002", "ready", 1, { allocatedTo: "200-1" }),
      slotNode("0003", "ready", 2, { locked: true }),
    ];
    const three = host({ slots: 3, labels: ["large"] });
    const requests = [request("200-1", { state: "fulfilled" })];
    const scene = { pools: [hostPool("lab/main", [three])], nodes, requests };
    assert.deepEqual(actionsIn({ ...scene, hand: knowing(checked(three)) }), []);
    const old = knowing(checked(three, FOUND, { ago: 600 }));
    assert.deepEqual(
      actionsIn({ ...scene, hand: old }),
      [],
      "nor is a host checked while jobs have all of it",
    );
  });

  it("leaves alone what it works on already", () => {
    const two = host({ slots: 2 });
    const nodes = [slotNode("0001", "ready", 0), slotNode("0002", "ready", 9)];
    const busy = ["node:0001", "node:0002", "host:lab/zuul@h:22"];
    const scene = { pools: [hostPool("lab/main", [two])], nodes };
    const down = knowing(checked(two, "it is down"));
    assert.equal(actionsIn({ ...scene, hand: down }).length, 3);
    assert.deepEqual(actionsIn({ ...scene, hand: down, busy }), []);
    assert.deepEqual(actionsIn({ ...scene, hand: knowing(), busy }), [], "nor is the host checked twice");
  });

  it("does not write a slot anew that a request gets at the same time", () => {
    const changed = host({ pythonPath: "/opt/python" });
    const scene = { pools: [hostPool("lab/main", [changed])], nodes: [slotNode("0001", "ready", 0)] };
    const hand = knowing(checked(changed));
    assert.deepEqual(actionsIn({ ...scene, hand }), ["update 0001 ready"]);
    assert.deepEqual(actionsIn({ ...scene, hand, requests: [request("200-1")] }), [
      "serve 200-1 at lab/main with 0001",
    ]);
  });

  it("leaves the hosts of a pool alone that is switched off", () => {
    const [main] = pools;
    assert.ok(main);
    const off = [{ ...main, pool: { ...main.pool, maxServers: 0 } }];
    const nodes = [slotNode("0001", "ready", 0)];
    assert.deepEqual(actionsIn({ pools: off, nodes, hand: knowing() }), []);
    assert.deepEqual(actionsIn({ pools: off, hand: knowing(checked(one)) }), []);
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

describe("a launcher that does not keep the hosts", () => {
  const down = knowingOnly(checked(one, "it is down"));

  it("takes idle slots out of service when the check fails that it makes for a request", () => {
    assert.deepEqual(actionsIn({ nodes: [slotNode("0001", "ready", 0)], hand: down }), [
      "update 0001 testing",
    ]);
  });

  it("does not write another reason over that of the keeper", () => {
    const out = [slotNode("0001", "testing", 0, { comment: "out of service: no answer" })];
    assert.deepEqual(actionsIn({ nodes: out, hand: down }), []);
  });
});

describe("a slot that a host gets in addition", () => {
  /** The record that is written of it, beside a slot of the same host with this record. */
  const added = (status: ReturnType<typeof checked>, more: Parameters<typeof slotNode>[3] = {}) => {
    const { host: wide } = status;
    const nodes = [0, 1].map((slot) => slotNode(`000${slot}`, "in-use", slot, { locked: true, ...more }));
    const scene = { pools: [hostPool("lab/main", [wide])], nodes, hand: knowing(status) };
    const records = decide(world(scene)).actions.flatMap((action) =>
      action.kind === "register-slots" ? action.records : [],
    );
    assert.equal(records.length, 1);
    return records[0];
  };

  it("remembers what the others do", () => {
    const driverData = encodeMemory({ suspicions: [], trustedSince: NOW - 9 });
    assert.deepEqual(added(checked(host({ slots: 3 })), { driverData })?.driverData, driverData);
  });

  it("knows the host's keys as the others do while it is out of service", () => {
    const status = checked(host({ slots: 3, hostKeys: [] }), "it is down");
    assert.deepEqual(added(status, { hostKeys: [KEY] })?.hostKeys, [KEY]);
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

  it("is checked no more often than one that is", () => {
    const next =
      (decideIn({ pools, nodes: out(suspicions(NOW - 5)), hand: knowing(checked(one)) }).wakeAt ?? 0) - NOW;
    assert.ok(next >= 45 && next <= 75, `${next} s after the last`);
  });

  it("comes back after a minute, by a check that passes", () => {
    assert.deepEqual(actionsIn({ nodes: out(suspicions(NOW - 61)), hand: knowing(checked(one)) }), [
      "update 0001 ready",
    ]);
    const failed = knowing(checked(one, "it is down"));
    assert.deepEqual(actionsIn({ nodes: out(suspicions(NOW - 61)), hand: failed }), ["update 0001 testing"]);
  });
});
