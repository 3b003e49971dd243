import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { node } from "../../test/harness/world.ts";
import { recordedInstances, textOf } from "./external_ids.ts";

describe("the ids of instances", () => {
  it("are texts, also where Nodepool has stored an object", () => {
    assert.equal(textOf({ id: "i-1", kind: "pod" }), '{"id":"i-1","kind":"pod"}');
    assert.equal(textOf("i-1"), "i-1");
  });

  it("are those of the provider's nodes that have one", () => {
    const nodes = [
      node("0001", "ready", { externalId: "i-1" }),
      node("0002", "building", { externalId: { id: "i-2" } }),
      node("0003", "building", { externalId: null }),
      node("0004", "ready", { externalId: "i-4", provider: "other" }),
    ];
    const ids = recordedInstances({ nodes: () => nodes.values() }, "cloud");
    assert.deepEqual([...ids], ["i-1", '{"id":"i-2"}']);
  });
});
