import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newNode } from "../../../lib/model/node.ts";
import { newRequest } from "../../../lib/model/request.ts";
import {
  encodeNodeLease,
  encodeOwnData,
  failureOf,
  holdWishOf,
  nodeLeaseOf,
  ownDataOf,
  withFailure,
  withHoldWish,
  withLease,
} from "./own_data.ts";

describe("what we keep in requests and nodes", () => {
  it("is read back as it was written", () => {
    const data = {
      traceparent: "00-a-b-01",
      requestId: "r",
      lease: { duration: 60, expires: 99 },
      minReady: false,
    };
    const record = newRequest(1, { requestorData: encodeOwnData(data) });
    assert.deepEqual(ownDataOf(record), data);
    const renewed = withLease(record, { duration: 5, expires: 104 });
    assert.deepEqual(ownDataOf(renewed), { ...data, lease: { duration: 5, expires: 104 } });
  });

  it("is nothing in the data of others, whatever that is", () => {
    const nothing = { traceparent: null, requestId: null, lease: null, minReady: false };
    for (const requestorData of [
      null,
      7,
      "text",
      [1],
      { nodepool: 3 },
      { nodepool: { lease: { duration: "x" } } },
    ]) {
      assert.deepEqual(ownDataOf({ requestorData }), nothing);
    }
    assert.equal(nodeLeaseOf({ userData: { zuul_system: "z" } }), null);
    assert.equal(nodeLeaseOf({ userData: '{"owner": "x"}' }), null);
  });

  it("tells who leases a node, and who wishes to hold it", () => {
    const lease = { request: "200-1", contender: "ab" };
    assert.deepEqual(nodeLeaseOf({ userData: encodeNodeLease(lease) }), lease);
    const record = newNode(1, { extra: { other: 1 } });
    const wished = withHoldWish(record, { reason: "why", expireSeconds: 9 });
    assert.deepEqual(holdWishOf(wished), { reason: "why", expireSeconds: 9 });
    assert.deepEqual(withHoldWish(wished, null).extra, { other: 1 });
  });

  it("keeps the reason of a failure beside the unknown keys of others", () => {
    const failed = withFailure(newRequest(1, { extra: { other: 1 } }), "no room");
    assert.equal(failureOf(failed), "no room");
    assert.equal(failed.extra.other, 1);
    assert.equal(failureOf(newRequest(1, {})), null);
  });
});
