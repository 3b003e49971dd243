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

  it("tells for which label a node is requested", () => {
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: encodeSharedLabel("small") })), "small");
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: null })), null);
    assert.equal(sharedLabelOf(newRequest(0, { requestorData: { nodepool: { min_ready: true } } })), null);
  });

  it("tells which labels stand on what is requested", () => {
    assert.deepEqual(labelsAbove(encodeSharedLabel("half", ["tiny", "small"])), ["tiny", "small", "half"]);
    assert.deepEqual(labelsAbove(encodeSharedLabel("half")), ["half"]);
    for (const data of [null, "x", { nodepool: { min_ready: true } }])
      assert.deepEqual(labelsAbove(data), []);
  });
});
