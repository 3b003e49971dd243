// Requests that no pool can serve, now or ever.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideIn, NOW, node, otherPool, pool, request, type Scene } from "../../../test/harness/world.ts";
import { encodeOwnData } from "./own_data.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const leased = (expires: number) => encodeOwnData({ lease: { duration: 60, expires } });

describe("a request that cannot be served", () => {
  it("fails at once when no pool anywhere offers its label", () => {
    assert.deepEqual(actionsIn({ requests: [request("200-1", { nodeTypes: ["small", "nosuch"] })] }), [
      "fail 200-1: no pool offers 'nosuch'; offered are: large, small",
    ]);
  });

  it("fails when no single pool offers all its labels", () => {
    const pools = [pool("a/main", ["small"]), pool("b/main", ["large"])];
    const requests = [request("200-1", { nodeTypes: ["small", "large"] })];
    assert.deepEqual(actionsIn({ pools, requests }), [
      "fail 200-1: no single pool offers all of small, large",
    ]);
  });

  it("is not touched while another launcher's pool may serve it", () => {
    const scene = {
      others: [otherPool("b/main", ["huge"])],
      requests: [request("200-1", { nodeTypes: ["huge"] })],
    };
    assert.deepEqual(actionsIn(scene), []);
    assert.deepEqual(decideIn(scene).reasons, { "200-1": "waits for b/main of another launcher" });
  });

  it("is declined when it could never fit, and failed when nobody is left", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const requests = [request("200-1", { nodeTypes: ["small", "small"] })];
    const reason = "cloud/main: it would exceed the quota: max-servers is 1, in use 0, needed 2";
    assert.deepEqual(actionsIn({ pools, requests }), [`fail 200-1: ${reason}`]);
    const others = [otherPool("b/main", ["small"])];
    assert.deepEqual(actionsIn({ pools, others, requests }), [`decline 200-1: ${reason}`]);
    const two = [...requests, request("200-2", { nodeTypes: ["small", "small"] })];
    const all = [`fail 200-1: ${reason}`, `fail 200-2: ${reason}`];
    assert.deepEqual(actionsIn({ pools, requests: two }), all, "with all that ask for the same");
  });

  it("fails when every pool that offers its labels has declined it and said so", () => {
    const declined = [request("200-1", { declinedBy: ["cloud/main", "other b/main"] })];
    const others = [otherPool("b/main", ["small"])];
    const reason = "every pool that offers its labels has declined";
    assert.deepEqual(actionsIn({ requests: declined, others }), [`fail 200-1: ${reason}`]);
    const waiting = request("200-1", { declinedBy: ["cloud/main"] });
    assert.deepEqual(actionsIn({ requests: [waiting], others }), [], "another launcher's may still take it");
  });

  it("fails with the reason why a pool has declined it, when the others are gone since", () => {
    const extra = { reason: "cloud/main: it would exceed the quota" };
    const declined = request("200-1", { declinedBy: ["cloud/main"], extra });
    assert.deepEqual(actionsIn({ requests: [declined] }), [
      "fail 200-1: cloud/main: it would exceed the quota",
    ]);
  });

  it("is declined when the image is not there; one with a lease waits for it", () => {
    const reason = "cloud/main: image 'image' of label 'small' has no ready upload at provider 'cloud'";
    assert.deepEqual(actionsIn({ imageAt: [], requests: [request("200-1")] }), [`fail 200-1: ${reason}`]);
    const patient = [request("200-1", { requestorData: leased(NOW + 30) })];
    assert.deepEqual(actionsIn({ imageAt: [], requests: patient }), []);
    assert.deepEqual(decideIn({ imageAt: [], requests: patient }).reasons, { "200-1": reason });
  });

  it("fails in a pool that max-servers 0 has switched off", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 0 })];
    const nodes = [node("0001", "ready")];
    assert.deepEqual(actionsIn({ pools, nodes, requests: [request("200-1")] }), [
      "fail 200-1: no pool offers 'small'; offered are: none",
    ]);
  });
});

describe("a request for which the provider of a pool of ours cannot be used", () => {
  const far = { pool: "far/main", labels: ["small", "large"], problem: "no route", isExpected: true };
  const reason = "far/main: its provider cannot be used here: no route";
  const alone: Scene = { pools: [], unserved: [far], requests: [request("200-1")] };

  it("waits while the provider is tried again", () => {
    const { actions, reasons } = decideIn(alone);
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": reason });
  });

  it("waits also when all pools that are there have declined", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const pair = { nodeTypes: ["small", "small"] };
    const asked = { pools, unserved: [far] };
    assert.deepEqual(actionsIn({ ...asked, requests: [request("200-1", pair)] }), [
      "decline 200-1: cloud/main: it would exceed the quota: max-servers is 1, in use 0, needed 2",
    ]);
    const declined = request("200-1", { ...pair, declinedBy: ["cloud/main"] });
    const { actions, reasons } = decideIn({ ...asked, requests: [declined] });
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": reason });
  });

  it("fails when that is not tried again, or the pool does not offer all its labels", () => {
    const all = { ...alone, unserved: [{ ...far, isExpected: false }] };
    const failure = "fail 200-1: no pool offers 'small'; offered are: none";
    assert.deepEqual(actionsIn(all), [failure]);
    assert.deepEqual(actionsIn({ ...alone, unserved: [{ ...far, labels: ["large"] }] }), [failure]);
  });

  it("fails when another launcher serves that pool and has declined", () => {
    const declined = request("200-1", { declinedBy: ["other far/main"] });
    const others = [otherPool("far/main", ["small"])];
    assert.deepEqual(actionsIn({ ...alone, others, requests: [declined] }), [
      "fail 200-1: every pool that offers its labels has declined",
    ]);
  });
});
