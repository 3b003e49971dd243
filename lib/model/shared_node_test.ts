import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newNode } from "./node.ts";
import { newRequest } from "./request.ts";
import {
  encodeShare,
  encodeShared,
  encodeSharedLabel,
  labelsAbove,
  sharedLabelOf,
  sharedOf,
  shareOf,
  withoutFurtherNodes,
} from "./shared_node.ts";

// As json.dumps of Nodepool's metastatic adapter writes it.
const PYTHON =
  '{"owner": "NodePool:metastatic:meta-provider", "label": "user-label", "slots": 2, "failed": false, "launched": 1795377018.83}';

describe("shared nodes", () => {
  const shared = {
    provider: "meta-provider",
    label: "user-label",
    slots: 2,
    failed: false,
    launched: 1795377018.83,
  };

  it("reads and writes user_data to the letter as Nodepool does", () => {
    assert.deepEqual(sharedOf({ userData: PYTHON }), shared);
    assert.equal(encodeShared(shared), PYTHON);
  });

  it("reads user_data of older launchers, which lacks failed and launched", () => {
    const old = '{"owner": "NodePool:metastatic:m", "label": "l", "slots": 3}';
    assert.deepEqual(sharedOf({ userData: old }), {
      provider: "m",
      label: "l",
      slots: 3,
      failed: false,
      launched: 0,
    });
  });

  it("reads slots that make no sense as none, and anything but true as not failed", () => {
    const read = (slots: unknown, failed: unknown) => {
      const data = { owner: "NodePool:metastatic:m", label: "l", slots, failed, launched: "now" };
      const shared = sharedOf({ userData: JSON.stringify(data) });
      return [shared?.slots, shared?.failed, shared?.launched];
    };
    assert.deepEqual(read(2.7, true), [2, true, 0]);
    for (const slots of ["2", null, -1, 0]) assert.deepEqual(read(slots, "yes"), [0, false, 0]);
  });

  it("marks one that takes no further nodes, and says why", () => {
    const node = newNode(5, { userData: PYTHON, provider: "p" });
    const marked = withoutFurtherNodes(node, shared, "it is too old");
    assert.deepEqual(sharedOf(marked), { ...shared, failed: true });
    assert.deepEqual([marked.comment, marked.provider], ["takes no further nodes: it is too old", "p"]);
  });

  it("takes nothing else for a shared node", () => {
    const others = [
      null,
      "",
      "{",
      "NodePool:metastatic:m",
      '["NodePool:metastatic:m"]',
      '{"owner": "NodePool:metastatic:m", "slots": 1}',
      '{"owner": "zuul", "label": "NodePool:metastatic:m"}',
      { owner: "NodePool:metastatic:m", label: "l", slots: 1 },
    ];
    for (const userData of others) assert.equal(sharedOf({ userData }), null, JSON.stringify(userData));
  });

  it("reads and writes a node's share", () => {
    const share = { backingNode: "0000000001", slot: 0, metadata: { nodepool_node_id: "0000000002" } };
    const driverData = encodeShare("0000000002", share);
    assert.deepEqual(driverData, {
      metadata: { nodepool_node_id: "0000000002" },
      backing_node: "0000000001",
      slot: 0,
      node: "0000000002",
    });
    assert.deepEqual(shareOf(newNode(0, { driverData })), share);
    assert.equal(shareOf(newNode(0, { driverData: { launch_attempt: 1 } })), null);
    assert.equal(shareOf(newNode(0, {})), null);
  });

  it("takes no share that lacks its node or its slot, and of the metadata only texts", () => {
    const read = (driverData: unknown) => shareOf({ driverData });
    assert.equal(read({ backing_node: "1" }), null);
    assert.equal(read({ slot: 1 }), null);
    assert.deepEqual(read({ backing_node: "1", slot: 2 })?.metadata, {});
    assert.deepEqual(read({ backing_node: "1", slot: 2, metadata: ["a"] })?.metadata, {});
    assert.deepEqual(read({ backing_node: "1", slot: 2, metadata: { a: "b", c: 3 } })?.metadata, { a: "b" });
  });

  it("tells for which label a node is requested", () => {
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: encodeSharedLabel("small") })), "small");
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: null })), null);
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: { nodepool: { min_ready: true } } })), null);
  });

  it("tells which labels stand on what is requested", () => {
    assert.deepEqual(labelsAbove(encodeSharedLabel("half", ["tiny", "small"])), ["tiny", "small", "half"]);
    assert.deepEqual(labelsAbove(encodeSharedLabel("half")), ["half"]);
    assert.deepEqual(encodeSharedLabel("half"), { nodepool: { shared_label: "half" } });
    const odd = { nodepool: { shared_label: "half", labels_above: ["tiny", 5] } };
    assert.deepEqual(labelsAbove(odd), ["tiny", "half"]);
    for (const data of [null, "x", { nodepool: { min_ready: true } }])
      assert.deepEqual(labelsAbove(data), []);
  });
});
