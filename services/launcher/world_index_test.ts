// What a pass looks at: what has changed since the last one, and what depends on that.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../lib/model/request.ts";
import { encodeShare } from "../../lib/model/shared_node.ts";
import type { NodeEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import { NOW, node, request, world } from "../../test/harness/world.ts";
import { keys } from "./actions.ts";
import { encodeOwnData } from "./request/own_data.ts";
import { WorldIndex } from "./world_index.ts";

/** An index over these nodes, which may be changed, and requests; all is decided about once. */
function settled(entries: readonly NodeEntry[], requests: readonly RequestEntry[] = []) {
  const nodes = new Map(entries.map((entry) => [entry.id, entry]));
  const asked = new Map(requests.map((entry) => [entry.id, entry]));
  const seen = world({});
  const tree = {
    ...seen.tree,
    node: (id: string) => nodes.get(id),
    nodes: () => nodes.values(),
    request: (id: string) => asked.get(id),
    requests: () => asked.values(),
  };
  const index = new WorldIndex({ ...seen, tree });
  index.prepare(NOW);
  const touched = () => {
    const { nodes, requests } = index.prepare(NOW);
    return [...nodes, ...requests].sort();
  };
  return { nodes, asked, index, touched };
}

describe("what is decided about anew", () => {
  it("is nothing while nothing changes", () => {
    const { touched } = settled([node("0001", "ready"), node("0002", "init")], [request("200-1")]);
    assert.deepEqual(touched(), []);
  });

  it("is a changed node, with those that have a share of it once it goes", () => {
    const shareOf = (id: string, backingNode: string) =>
      node(id, "ready", { driverData: encodeShare("x", { backingNode, slot: 0, metadata: {} }) });
    const { nodes, index, touched } = settled([
      node("0001", "in-use", { locked: true }),
      shareOf("0002", "0001"),
      shareOf("0003", "0009"),
    ]);
    index.noteNode("0001");
    assert.deepEqual(touched(), ["0001"]);
    nodes.set("0001", node("0001", "deleting", { locked: true }));
    index.noteNode("0001");
    assert.deepEqual(touched(), ["0001", "0002"]);
  });

  it("is, when pools come or go, each node that is recorded and not launched yet, and none that was one", () => {
    const { nodes, index, touched } = settled([
      node("0001", "init"),
      node("0002", "init"),
      node("0003", "ready"),
    ]);
    index.touchPools();
    assert.deepEqual(touched(), ["0001", "0002"]);
    nodes.set("0001", node("0001", "building", { locked: true }));
    nodes.delete("0002");
    for (const id of ["0001", "0002"]) index.noteNode(id);
    touched();
    index.touchPools();
    assert.deepEqual(touched(), []);
  });

  it("is then, too, each idle node, ready or out of service, whose labels its pool of ours does not offer", () => {
    const elsewhere = { provider: "elsewhere", type: ["gone"] };
    const { nodes, index, touched } = settled([
      node("0001", "ready", { type: ["gone"] }),
      node("0002", "ready", { type: ["gone", "small"] }),
      node("0003", "in-use", { type: ["gone"] }),
      node("0004", "ready", elsewhere),
      node("0005", "testing", { type: ["gone"] }),
    ]);
    index.touchPools();
    assert.deepEqual(touched(), ["0001", "0005"]);
    for (const id of ["0001", "0005"]) {
      nodes.delete(id);
      index.noteNode(id);
    }
    touched();
    index.touchPools();
    assert.deepEqual(touched(), []);
  });

  it("is then, too, a request that nobody holds any more, or that has failed to bring a min-ready node", () => {
    const own = { requestor: MIN_READY_REQUESTOR, requestorData: encodeOwnData({ minReady: true }) };
    const { asked, index, touched } = settled(
      [],
      [
        request("200-1", { state: "pending" }),
        request("200-2", { state: "failed" }),
        request("200-3", { state: "fulfilled" }),
        request("900-1", { ...own, state: "failed" }),
      ],
    );
    index.touchPools();
    assert.deepEqual(touched(), ["200-1", "900-1"]);
    asked.delete("900-1");
    asked.set("200-1", request("200-1", { state: "fulfilled" }));
    for (const id of ["200-1", "900-1"]) index.touch(keys.request(id));
    touched();
    index.touchPools();
    assert.deepEqual(touched(), [], "nor any longer than that");
  });
});
