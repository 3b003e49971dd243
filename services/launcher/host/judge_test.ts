import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, FOUND, host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";

const one = host();
const pools = [hostPool("lab/main", [one])];
const actionsIn = (scene: Scene) => decideIn({ pools, ...scene }).actions;

describe("clocks that are set, or differ", () => {
  const ready = (stateTime: number) => [slotNode("0001", "ready", 0, { stateTime })];
  const hour = 3600;

  it("make no check count that is later than now", () => {
    const late = (found: typeof FOUND | string) => knowing(checked(one, found, { ago: -hour }));
    assert.deepEqual(actionsIn({ nodes: ready(NOW), hand: late(FOUND) }), ["check lab/zuul@h:22"]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW), requests: [request("200-1")], hand: late(FOUND) }), [
      "check lab/zuul@h:22",
    ]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW), hand: late("it is down") }), ["check lab/zuul@h:22"]);
  });

  it("keep no host in service that has just failed, though its record is later than that", () => {
    const down = knowing(checked(one, "it is down"));
    assert.deepEqual(actionsIn({ nodes: ready(NOW + 5), hand: down }), ["update 0001 testing"]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW + hour), hand: down }), ["update 0001 testing"]);
    const before = knowing(checked(one, "it is down", { ago: 20 }));
    assert.deepEqual(actionsIn({ nodes: ready(NOW - 5), hand: before }), ["check lab/zuul@h:22"]);
  });

  it("keep no host out of service that passes, though its record is of a time that has not come", () => {
    const out = [slotNode("0001", "testing", 0, { stateTime: NOW + hour, comment: "out of service: down" })];
    assert.deepEqual(actionsIn({ nodes: out, hand: knowing(checked(one)) }), ["update 0001 ready"]);
  });
});
