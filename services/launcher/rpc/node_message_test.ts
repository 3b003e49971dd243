// Anybody may write a node or a request: whatever numbers it has, the list that it is in can be sent.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Node } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { node, request } from "../../../test/harness/world.ts";
import { toNode } from "./node_message.ts";
import { toRequest } from "./request_message.ts";
import type { Shared } from "./shared.ts";

const ODD = [-1, 0.5, 2 ** 31, 1e15, 1e20, -1e300, Infinity];

const sent = (fields: object) => Node.decode(Node.encode(toNode(node("1", "ready", fields))).finish());

describe("a message", () => {
  for (const odd of ODD) {
    it(`of a node can be sent with the number ${odd} anywhere`, () => {
      for (const field of ["createdTime", "stateTime", "slot", "connectionPort"]) {
        assert.equal(sent({ [field]: odd }).provider, "cloud", field);
      }
      assert.equal(sent({ resources: { ram: odd, cores: 2 } }).resources.cores, 2n);
    });

    it(`of a request can be sent with the number ${odd} anywhere`, () => {
      const shared = { engine: { reasonOf: () => undefined } } as unknown as Shared;
      const lease = { nodepool: { lease: { duration: odd, expires: odd } } };
      for (const fields of [
        { createdTime: odd },
        { stateTime: odd },
        { relativePriority: odd },
        { requestorData: lease },
      ]) {
        const message = NodeRequest.encode(toRequest(shared, request("200-1", fields))).finish();
        assert.equal(NodeRequest.decode(message).requestor, "zuul");
      }
    });
  }

  it("has what fits as it is", () => {
    const { createTime, slot, connectionPort, resources } = sent({
      createdTime: 1_700_000_000,
      slot: 3,
      connectionPort: 22_022,
      resources: { ram: 8192 },
    });
    assert.deepEqual(
      [createTime?.toISOString(), slot, connectionPort, resources],
      ["2023-11-14T22:13:20.000Z", 3, 22_022, { ram: 8192n }],
    );
  });
});
