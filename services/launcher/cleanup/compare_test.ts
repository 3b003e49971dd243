// Where a provider and the records differ: what is found here is deleted, so nothing else may be found.
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { newUpload } from "../../../lib/model/image.ts";
import { type Instance, METADATA } from "../../../lib/provider/contract.ts";
import type { ImageEntry, NodeEntry, UploadEntry } from "../../../lib/zookeeper/view.ts";
import { node } from "../../../test/harness/world.ts";
import { compare, type Inventory, isKnown, leakedImages } from "./compare.ts";

/** An instance of a node as a launch here makes it; null: of none. */
function instance(externalId: string, of: string | null, more: Partial<Instance> = {}): Instance {
  const metadata = of === null ? {} : { [METADATA.node]: of, [METADATA.launchToken]: `${of}-1` };
  return { externalId, name: externalId, state: "running", metadata, ...more } as Instance;
}

const treeOf = (nodes: readonly NodeEntry[]) => ({
  node: (id: string) => nodes.find((one) => one.id === id),
  nodes: () => nodes.values(),
});

/** What differs at the provider `cloud`; all nodes were known before it was asked, unless something else is said. */
function differences(nodes: readonly NodeEntry[], there: Partial<Inventory>) {
  const known = new Set(nodes.map(({ id }) => id));
  const inventory = { provider: "cloud", instances: [], leftovers: [], known, ...there };
  const { leaked, leftovers, lost, total } = compare(treeOf(nodes), inventory);
  return {
    leaked: leaked.map(({ externalId }) => externalId),
    leftovers: leftovers.map(({ externalId }) => externalId),
    lost: lost.map(({ id }) => id),
    total,
  };
}

describe("an instance", () => {
  const recorded = node("0001", "ready", { externalId: "i-1" });
  const unnamed = node("0002", "building", { externalId: null });
  const unreadable = { ...node("0003", "ready"), record: null };
  const leakedOf = (one: Instance) =>
    differences([recorded, unnamed, unreadable], { instances: [one] }).leaked;

  it("is leaked when its node is not recorded", () => {
    assert.deepEqual(leakedOf(instance("i-9", "0009")), ["i-9"]);
  });

  it("is not leaked when it is its node's, or may be", () => {
    for (const [externalId, of] of [
      ["i-1", "0001"],
      ["i-2", "0002"],
      ["i-3", "0003"],
    ] as const) {
      assert.deepEqual(leakedOf(instance(externalId, of)), [], externalId);
    }
  });

  it("is leaked when its node has recorded another one, unless somebody else has made it", () => {
    assert.deepEqual(leakedOf(instance("i-2", "0001")), ["i-2"]);
    assert.deepEqual(leakedOf(instance("i-2", "0001", { metadata: { [METADATA.node]: "0001" } })), []);
  });

  it("that carries no node's id is nobody's to delete, and unknown", () => {
    const foreign = instance("i-9", null);
    assert.deepEqual(leakedOf(foreign), []);
    assert.equal(isKnown(treeOf([recorded]), foreign), false);
  });
});

describe("what was left behind", () => {
  const leftover = (of: string | null, provider?: string) => {
    const metadata = provider === undefined ? {} : { [METADATA.provider]: provider };
    return { kind: "port", externalId: "p", name: "p", node: of, metadata };
  };
  const goes = (one: ReturnType<typeof leftover>) =>
    differences([node("0001", "building")], { leftovers: [one] }).leftovers.length > 0;

  it("goes when its node is not recorded, or it says none", () => {
    assert.equal(goes(leftover("0009")), true);
    assert.equal(goes(leftover(null)), true);
  });

  it("stays while its node is recorded, and when it says that it is another provider's", () => {
    assert.equal(goes(leftover("0001")), false);
    assert.equal(goes(leftover("0009", "other")), false);
    assert.equal(goes(leftover("0009", "cloud")), true);
  });
});

describe("a node", () => {
  const isLost = (one: NodeEntry, there: Partial<Inventory> = {}) =>
    differences([one], there).lost.length > 0;
  const ready = node("0001", "ready", { externalId: "i-1" });

  it("is lost when it must have an instance that is not there, or does not run", () => {
    for (const state of ["ready", "in-use", "hold"] as const) {
      assert.equal(isLost(node("0001", state, { externalId: "i-1" })), true, state);
    }
    for (const state of ["stopped", "failed"] as const) {
      assert.equal(isLost(ready, { instances: [instance("i-1", "0001", { state })] }), true, state);
    }
  });

  it("that is held is not lost while its instance is there, even one that does not run", () => {
    const held = node("0001", "hold", { externalId: "i-1" });
    for (const state of ["stopped", "failed"] as const) {
      assert.equal(isLost(held, { instances: [instance("i-1", "0001", { state })] }), false, state);
    }
  });

  it("is not lost while its instance runs or is being built, also one that does not say whose it is", () => {
    for (const state of ["running", "building"] as const) {
      assert.equal(isLost(ready, { instances: [instance("i-1", "0001", { state })] }), false, state);
    }
    assert.equal(isLost(ready, { foreign: [instance("i-1", null)] }), false);
  });

  it("is not lost that may have no instance yet or any more, that is younger than the list, or is elsewhere", () => {
    for (const state of ["building", "used", "deleting", "testing"] as const) {
      assert.equal(isLost(node("0001", state, { externalId: "i-1" })), false, state);
    }
    assert.equal(isLost(node("0001", "ready", { externalId: null })), false);
    assert.equal(isLost(ready, { known: new Set() }), false);
    assert.equal(isLost(node("0001", "ready", { externalId: "i-1", provider: "other" })), false);
    assert.equal(isLost({ ...ready, record: null }), false);
  });
});

test("all that is at a provider is what is leaked there and what its nodes have recorded", () => {
  const nodes = [
    node("0001", "ready", { externalId: "i-1" }),
    node("0002", "deleting", { externalId: "i-2" }),
    node("0003", "building", { externalId: null }),
    node("0004", "ready", { externalId: "i-4", provider: "other" }),
  ];
  const instances = [instance("i-1", "0001"), instance("i-9", "0009"), instance("i-8", null)];
  assert.equal(differences(nodes, { instances }).total, 3);
});

describe("an image", () => {
  const upload = (number: string, provider: string, externalId: string | null): UploadEntry => {
    const record = newUpload(1, { state: "ready", externalId });
    const entry = { problem: null, version: 0, createdAt: 0, modifiedAt: 0, record };
    return { ...entry, image: "image", build: "b1", provider, upload: number };
  };
  const leaked = (uploads: readonly UploadEntry[], metadata: Readonly<Record<string, string>>) => {
    const images = [{ builds: [{ uploads }] }] as unknown as ImageEntry[];
    return leakedImages({ images: () => images.values() }, "cloud", [
      { externalId: "image-9", name: "image-9", metadata },
    ]);
  };
  const of = (provider: string, number: string) => ({
    [METADATA.provider]: provider,
    [METADATA.build]: "b1",
    [METADATA.upload]: number,
  });
  const one = [upload("1", "cloud", "image-1")];

  it("is leaked when its upload is not recorded", () => {
    assert.equal(leaked(one, of("cloud", "9")).length, 1);
    assert.equal(leaked([...one, upload("9", "other", null)], of("cloud", "9")).length, 1);
  });

  it("is not leaked whose upload is recorded, by its number or by the image's own id", () => {
    assert.deepEqual(leaked([...one, upload("9", "cloud", null)], of("cloud", "9")), []);
    assert.deepEqual(leaked([...one, upload("8", "cloud", "image-9")], of("cloud", "9")), []);
  });

  it("is somebody's that does not say all that an upload's does", () => {
    for (const missing of Object.keys(of("cloud", "9"))) {
      const { [missing]: _gone, ...rest } = of("cloud", "9") as Record<string, string>;
      assert.deepEqual(leaked(one, rest), [], missing);
    }
    assert.deepEqual(leaked(one, of("other", "9")), []);
  });

  it("is not leaked while no upload to its provider is recorded", () => {
    assert.deepEqual(leaked([upload("1", "other", "image-1")], of("cloud", "9")), []);
  });
});
