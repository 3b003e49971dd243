// A request may be shown as fulfilled before its nodes are shown as they were handed over.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Node_State } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { node, request } from "../../../test/harness/world.ts";
import { encodeOwnData } from "../request/own_data.ts";
import { getRequest } from "./get_request.ts";
import type { Shared } from "./shared.ts";
import { watchRequest } from "./watch_request.ts";

/** Services over a request whose node is shown in use when the view has settled. */
function scene(): Shared {
  let isSettled = false;
  const lease = { duration: 60, expires: 2_000_000_000 };
  const given = { state: "fulfilled", nodes: ["0001"], requestorData: encodeOwnData({ lease }) } as const;
  const view = {
    current: true,
    onCurrent: () => () => {},
    request: () => request("200-1", given),
    node: () => node("0001", isSettled ? "in-use" : "building", { hostKeys: isSettled ? ["key"] : [] }),
    isPending: () => !isSettled,
    settled: async () => {
      isSettled = true;
    },
  };
  return {
    environment: { context: { view, clock: { now: () => 0, after: () => () => {} } }, nodesOf: () => [] },
    engine: { watchRequest: () => () => {}, reasonOf: () => undefined },
  } as unknown as Shared;
}

const NAME = { name: "nodeRequests/200-1" };

describe("a request is told to be fulfilled only with its nodes as they were handed over", () => {
  it("when it is asked for", async () => {
    const { nodes } = await getRequest(scene(), NAME);
    assert.deepEqual([nodes?.[0]?.state, nodes?.[0]?.hostKeys], [Node_State.STATE_IN_USE, ["key"]]);
  });

  it("when it is watched", async () => {
    const stop = new AbortController();
    for await (const { event } of watchRequest(scene(), NAME, stop.signal)) {
      assert.ok(event?.$case === "status");
      assert.equal(event.value.nodes?.[0]?.state, Node_State.STATE_IN_USE);
      stop.abort();
    }
  });
});
