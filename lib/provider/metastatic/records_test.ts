import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type NodeRecord, newNode } from "../../model/node.ts";
import { encodeShare } from "../../model/shared_node.ts";
import type { NodeEntry } from "../../zookeeper/view.ts";
import { Records } from "./records.ts";

/** A tree of nodes whose records a test writes. */
class Tree {
  readonly #nodes = new Map<string, NodeEntry>();
  readonly records = new Records("meta", {
    node: (id) => this.#nodes.get(id),
    nodes: () => this.#nodes.values(),
    request: () => undefined,
    requests: () => [],
  });

  /** Writes a node on the backing node `large`. */
  putChild(id: string, slot: number, more: Partial<NodeRecord> = {}): void {
    const driverData = encodeShare(id, { backingNode: "large", slot, metadata: {} });
    const record = newNode(1, { provider: "meta", type: ["small"], state: "in-use", driverData, ...more });
    const lock = { exists: false, contenders: [] };
    this.#nodes.set(id, { id, record, problem: null, version: 0, createdAt: 1, modifiedAt: 1, lock });
    this.records.update({ kind: "node", id });
  }

  remove(id: string): void {
    this.#nodes.delete(id);
    this.records.update({ kind: "node", id });
  }

  get taken(): (readonly [number, string])[] {
    return [...this.records.takenOf("large")].sort(([a], [b]) => a - b);
  }
}

describe("the slots of a backing node", () => {
  it("are taken by the nodes that say so, until these are gone or say otherwise", () => {
    const tree = new Tree();
    tree.putChild("a", 0);
    tree.putChild("b", 1);
    assert.deepEqual(tree.taken, [
      [0, "a"],
      [1, "b"],
    ]);
    tree.putChild("b", 2);
    tree.remove("a");
    assert.deepEqual(tree.taken, [[2, "b"]]);
    tree.putChild("b", 2, { driverData: { launch_attempt: 2 } });
    assert.deepEqual(tree.taken, []);
  });

  it("stay taken while one of two nodes is left that somebody has given the same", () => {
    for (const [gone, left] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const tree = new Tree();
      tree.putChild("a", 0);
      tree.putChild("b", 0);
      tree.remove(gone);
      assert.deepEqual(tree.taken, [[0, left]]);
      tree.remove(left);
      assert.deepEqual(tree.taken, []);
    }
  });
});
