import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
import { assignSlots } from "./slots.ts";

const pool = hostPool("lab/main", []);
const placed = (...hosts: readonly ReturnType<typeof host>[]) => hosts.map((one) => ({ pool, host: one }));

/** Each slot as "user slot: node", and each surplus record with why. */
function told(...given: Parameters<typeof assignSlots>): string[] {
  const { slots, surplus } = assignSlots(...given);
  return [
    ...slots.map((slot) => `${slot.host.username} ${slot.number}: ${slot.node?.id ?? "none"}`),
    ...surplus.map(({ node, reason }) => `${node.id}: ${reason}`),
  ];
}

describe("the records of a machine", () => {
  it("stand for the slots that they name", () => {
    const nodes = [slotNode("0001", "ready", 1), slotNode("0002", "in-use", 0, { username: "two" })];
    assert.deepEqual(told(placed(host({ slots: 2 }), host({ username: "two" })), nodes), [
      "zuul 0: none",
      "zuul 1: 0001",
      "two 0: 0002",
    ]);
  });

  it("are surplus beyond the host's slots, or twice at one: then the one in use stays", () => {
    const nodes = [slotNode("0001", "ready", 0), slotNode("0002", "in-use", 0), slotNode("0003", "ready", 7)];
    assert.deepEqual(told(placed(host()), nodes), [
      "zuul 0: 0002",
      "0001: slot 0 of zuul@h:22 is recorded twice",
      "0003: slot 7 is beyond the 1 of zuul@h:22",
    ]);
    const numbers = [-1, 0.5].map((slot, index) => slotNode(`000${index}`, "ready", slot));
    assert.deepEqual(told(placed(host()), numbers), [
      "zuul 0: none",
      "0000: slot -1 is beyond the 1 of zuul@h:22",
      "0001: slot 0.5 is beyond the 1 of zuul@h:22",
    ]);
  });

  it("that are two at a slot are judged alike by every launcher: the older stays", () => {
    const nodes = [slotNode("0002", "ready", 0), slotNode("0001", "ready", 0)];
    assert.equal(told(placed(host()), nodes)[0], "zuul 0: 0001");
  });

  it("that are being deleted give way to their successors", () => {
    const nodes = [slotNode("0001", "deleting", 0), slotNode("0002", "testing", 0)];
    assert.deepEqual(told(placed(host()), nodes), [
      "zuul 0: 0002",
      "0001: slot 0 of zuul@h:22 is recorded twice",
    ]);
    assert.deepEqual(told(placed(host()), nodes.slice(0, 1)), ["zuul 0: 0001"]);
  });

  it("of an identity that is gone stand for the free slot of that number of another, else they are surplus", () => {
    const nodes = [slotNode("0001", "ready", 0, { username: "old" }), slotNode("0002", "ready", 0)];
    assert.deepEqual(told(placed(host(), host({ username: "new" })), nodes), ["zuul 0: 0002", "new 0: 0001"]);
    assert.deepEqual(told(placed(host()), nodes), [
      "zuul 0: 0002",
      "0001: host old@h:22 is not in the configuration any more",
    ]);
    assert.deepEqual(told([], nodes).length, 2);
    const second = [slotNode("0001", "ready", 1, { username: "old" })];
    assert.deepEqual(told(placed(host({ slots: 2 })), second), ["zuul 0: none", "zuul 1: 0001"]);
    assert.deepEqual(told(placed(host()), second), [
      "zuul 0: none",
      "0001: host old@h:22 is not in the configuration any more",
    ]);
  });

  it("that name no slot stand for those that are left, first if they are in use", () => {
    const nodes = [
      slotNode("0001", "ready", 0, { slot: null }),
      slotNode("0002", "in-use", 0, { slot: null }),
      slotNode("0003", "ready", 1),
      slotNode("0004", "ready", 0, { slot: null, username: "old" }),
    ];
    assert.deepEqual(told(placed(host({ slots: 3 })), nodes), [
      "zuul 0: 0002",
      "zuul 1: 0003",
      "zuul 2: 0001",
      "0004: host old@h:22 is not in the configuration any more",
    ]);
    assert.deepEqual(told(placed(host({ slots: 2 })), nodes.slice(0, 3)), [
      "zuul 0: 0002",
      "zuul 1: 0003",
      "0001: it names no slot, and none of the 2 of zuul@h:22 is left",
    ]);
    const ofAnother = [slotNode("0001", "in-use", 0, { slot: null, username: "two" })];
    const both = placed(host(), host({ username: "two" }));
    assert.deepEqual(told(both, ofAnother), ["zuul 0: none", "two 0: 0001"], "those of their own host");
  });
});
