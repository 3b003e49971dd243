// When a lease ends.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";
import { encodeOwnData } from "./own_data.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const leased = (expires: number) => encodeOwnData({ lease: { duration: 60, expires } });

describe("a lease", () => {
  const withLease = (expires: number) =>
    request("200-1", { state: "fulfilled", requestorData: leased(expires) });

  it("ends when it runs out, and wakes the launcher for that", () => {
    assert.deepEqual(actionsIn({ requests: [withLease(NOW - 1)] }), ["end-lease 200-1"]);
    const waiting = request("200-1", { requestorData: leased(NOW - 1) });
    assert.deepEqual(actionsIn({ requests: [waiting] }), ["end-lease 200-1"], "nothing is launched for it");
    const decision = decideIn({ requests: [withLease(NOW + 7)] });
    assert.deepEqual(decision.actions, []);
    assert.equal(decision.wakeAt, NOW + 7);
  });

  it("gives its holder time to renew after an outage", () => {
    const decision = decideIn({ requests: [withLease(NOW - 50)], hand: { currentSince: NOW - 1 } });
    assert.deepEqual(decision.actions, []);
    assert.equal(decision.wakeAt, NOW + 29);
  });
});
