import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
import { decideIn, request, type Scene } from "../../../test/harness/world.ts";

const pools = [hostPool("lab/main", [host({ slots: 0 })])];
const actionsIn = (scene: Scene) => decideIn({ pools, hand: knowing(), ...scene }).actions;

describe("a host whose max-parallel-jobs is 0", () => {
  it("is neither checked nor recorded", () => assert.deepEqual(actionsIn({}), []));

  it("gives up its idle records, and lets its jobs end", () => {
    const nodes = [slotNode("0001", "ready", 0), slotNode("0002", "in-use", 1, { locked: true })];
    assert.deepEqual(actionsIn({ nodes }), ["delete 0001: slot 0 is beyond the 0 of zuul@h:22"]);
  });

  it("serves no request", () => {
    assert.deepEqual(actionsIn({ requests: [request("200-1")] }), [
      "fail 200-1: lab/main: it can never have 1 of 'small', of which its hosts have 0",
    ]);
  });
});
