import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faultsOf, type GuardedWrite, type History } from "./history.ts";

const NODE = "0000000001";

function history(changes: Partial<History> = {}): History {
  return {
    writes: [],
    taken: [],
    otherValues: new Set(["first"]),
    everHeard: [],
    lastHeard: [{ client: "a", node: NODE, value: "first" }],
    views: new Map([["a", new Map([[NODE, "first"]])]]),
    tree: new Map([[NODE, "first"]]),
    leftContenders: [],
    hung: [],
    ...changes,
  };
}

function write(changes: Partial<GuardedWrite>): GuardedWrite {
  return { client: "a", node: NODE, value: "v", token: 1, outcome: "committed", zxid: 10n, ...changes };
}

function only(given: Partial<History>): string {
  const faults = faultsOf(history(given));
  assert.equal(faults.length, 1, faults.join("\n"));
  return faults[0] ?? "";
}

describe("the checker of histories", () => {
  it("finds nothing where nothing is wrong", () => {
    const writes = [write({ value: "x", token: 1, zxid: 10n }), write({ value: "y", token: 2, zxid: 11n })];
    const taken = [{ client: "a", root: "/l", contender: "c1", line: ["c1", "c2"] }];
    assert.deepEqual(faultsOf(history({ writes, taken })), []);
  });

  it("takes a contender that is gone already for a lost session and not for a second holder", () => {
    const taken = [{ client: "a", root: "/l", contender: "c1", line: ["c2"] }];
    assert.deepEqual(faultsOf(history({ taken })), []);
  });

  it("finds a lock that was given to one who stood behind another", () => {
    const taken = [{ client: "a", root: "/l", contender: "c2", line: ["c1", "c2"] }];
    assert.match(only({ taken }), /a was given \/l as c2, but c1 stood before it/);
  });

  it("finds a write under an earlier lock behind one under a later lock", () => {
    const writes = [
      write({ value: "new", token: 2, zxid: 10n }),
      write({ value: "late", token: 1, zxid: 11n }),
    ];
    assert.match(only({ writes }), /late \(lock 1\) came after new \(2\)/);
  });

  it("finds a write that is there though it was refused", () => {
    const writes = [write({ value: "first", outcome: "refused", zxid: null })];
    assert.match(only({ writes }), /first was refused and is there/);
  });

  it("finds a write with an unknown end that overwrote one under a later lock", () => {
    const writes = [
      write({ value: "new", token: 2, zxid: 10n }),
      write({ value: "first", token: 1, outcome: "unknown", zxid: null }),
    ];
    assert.match(only({ writes }), /first \(lock 1\) stands above new \(2\)/);
  });

  it("finds a view that shows what is not there", () => {
    assert.match(
      only({ views: new Map([["a", new Map([[NODE, "old"]])]]) }),
      /the view of a has old for 0000000001, where first is/,
    );
  });

  it("finds a change that a listener was not told of", () => {
    assert.match(only({ lastHeard: [{ client: "a", node: NODE, value: null }] }), /a last heard of null/);
    assert.match(only({ lastHeard: [] }), /a never heard of 0000000001/);
  });

  it("finds an event of something that nobody wrote, or that was refused", () => {
    const everHeard = [{ client: "a", node: NODE, value: "v" }];
    assert.match(only({ everHeard }), /which nobody wrote/);
    const writes = [write({ outcome: "refused", zxid: null })];
    assert.match(only({ everHeard, writes }), /which was refused/);
  });

  it("finds contenders that were left behind and calls that hang", () => {
    assert.match(only({ leftContenders: ["/l/c1"] }), /left behind: \/l\/c1/);
    assert.match(only({ hung: ["a: get"] }), /never settled: a: get/);
  });
});
