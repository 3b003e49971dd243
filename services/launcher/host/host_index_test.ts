import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool, slotNode } from "../../../test/harness/host_world.ts";
import type { ReadableNode } from "../pool/node_share.ts";
import type { ServedPool } from "../pool/served.ts";
import { HostIndex } from "./host_index.ts";
import { hostKey } from "./slots.ts";

/** An index of these pools, all of which has been decided about, with what changes the records in view. */
function indexOf(...pools: readonly ServedPool[]) {
  const nodes = new Map<string, ReadableNode>();
  const index = new HostIndex({ node: (id) => nodes.get(id) }, pools);
  index.touchAll();
  index.takeTouched();
  const show = (node: ReadableNode) => {
    nodes.set(node.id, node);
    index.update(node.id);
  };
  const remove = (id: string) => {
    nodes.delete(id);
    index.update(id);
  };
  const slots = ({ hosts, ...pool }: ServedPool) =>
    (hosts ?? []).map((one) =>
      index
        .slotsOf({ pool, host: one })
        .map(({ node }) => node?.id ?? "none")
        .join(),
    );
  return { index, show, remove, slots };
}

const [one, two] = [host(), host({ name: "i" })];
const lab = hostPool("lab/main", [one, two]);
const placed = { pool: lab, host: one };

describe("the machines of hosts", () => {
  it("are decided about anew when a record of theirs comes, moves or goes, and then no more", () => {
    const { index, show, remove } = indexOf(lab);
    show(slotNode("0001", "ready", 0));
    assert.deepEqual([...index.takeTouched()], ["lab\nh"]);
    show(slotNode("0001", "ready", 0, { hostname: "i" }));
    assert.deepEqual([...index.takeTouched()], ["lab\nh", "lab\ni"]);
    remove("0001");
    assert.deepEqual([...index.takeTouched()], ["lab\ni"]);
    assert.deepEqual([...index.takeTouched()], []);
  });

  it("are decided about anew when a host of theirs was checked", () => {
    const { index } = indexOf(lab);
    index.touch(hostKey(placed));
    assert.deepEqual([...index.takeTouched()], ["lab\nh"]);
  });

  it("are all decided about anew when the keeper changes, also those of records only", () => {
    const { index, show } = indexOf(lab);
    show(slotNode("0001", "ready", 0, { hostname: "gone" }));
    index.takeTouched();
    index.touchAll();
    assert.deepEqual([...index.takeTouched()].sort(), ["lab\ngone", "lab\nh", "lab\ni"]);
  });
});

describe("the slots of a host", () => {
  it("follow its records", () => {
    const { show, remove, slots } = indexOf(lab);
    assert.deepEqual(slots(lab), ["none", "none"]);
    show(slotNode("0001", "ready", 0));
    assert.deepEqual(slots(lab), ["0001", "none"]);
    show(slotNode("0001", "ready", 0, { hostname: "i" }));
    assert.deepEqual(slots(lab), ["none", "0001"]);
    remove("0001");
    assert.deepEqual(slots(lab), ["none", "none"]);
  });

  it("are not those of another user of the machine", () => {
    const both = hostPool("lab/main", [one, host({ username: "two" })]);
    const { show, slots } = indexOf(both);
    show(slotNode("0001", "ready", 0));
    assert.deepEqual(slots(both), ["0001", "none"]);
  });

  it("are not those of a host of that name at another provider", () => {
    const other = hostPool("other/main", [one]);
    const { show, slots } = indexOf(lab, other);
    show(slotNode("0001", "ready", 0, { provider: "other" }));
    assert.deepEqual([...slots(lab), ...slots(other)], ["none", "none", "0001"]);
  });
});
