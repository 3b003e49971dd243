import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BackingAction,
  type BackingNode,
  type BackingRequest,
  decideBacking,
  type Holdings,
  type Waiting,
} from "./decide.ts";
import type { LabelTerms } from "./terms.ts";

const NOW = 1000;

const terms = (changes: Partial<LabelTerms> = {}): Holdings["terms"] => {
  const large = { graceTime: 60, minRetentionTime: 0, maxAge: Number.POSITIVE_INFINITY, ...changes };
  return {
    of: (label, backingLabel) => {
      if (label !== "share") return undefined;
      if (backingLabel === "huge") return { ...large, backingLabel, slots: 3 };
      return { backingLabel: "large", slots: 2, ...large };
    },
  };
};

/** A backing node with two slots; `taken` are the slots that nodes have. */
function node(id: string, taken: readonly number[], changes: Partial<BackingNode> = {}): BackingNode {
  return {
    id,
    label: "share",
    backingLabel: "large",
    slots: 2,
    failed: false,
    launched: NOW - 10,
    state: "in-use",
    taken: new Map(taken.map((slot) => [slot, `child-${slot}-of-${id}`])),
    idleSince: taken.length > 0 ? null : NOW,
    isSettled: true,
    ...changes,
  };
}

const request = (id: string, changes: Partial<BackingRequest> = {}): BackingRequest => {
  const blank = { label: "share", backingLabel: "large", state: "requested" } as const;
  return { id, ...blank, reason: null, node: null, isLocked: false, isSettled: true, ...changes };
};

const waits = (...nodes: string[]): Waiting[] =>
  nodes.map((id) => ({ node: id, label: "share", backingLabel: "large" }));

function decide(given: Partial<Omit<Holdings, "waitingEverywhere">> & { readonly elsewhere?: number }) {
  const { elsewhere = 0, ...rest } = given;
  const waiting = given.waiting ?? [];
  return decideBacking({
    terms: terms(),
    backing: [],
    requests: [],
    waiting,
    now: NOW,
    waitingEverywhere: () => waiting.length + elsewhere,
    ...rest,
  });
}

/** An action in few words. */
function brief(action: BackingAction): string {
  switch (action.kind) {
    case "claim":
      return `${action.node} gets slot ${action.slot} of ${action.backing}`;
    case "ask":
      return `ask for ${action.count} ${action.backingLabel}`;
    case "take":
      return `take ${action.node} with ${action.slots} slots`;
    case "withdraw":
      return `withdraw ${action.request}${action.nodes.map((id) => ` and fail ${id}`).join("")}`;
    case "retire":
      return `retire ${action.backing}`;
  }
}

const actionsOf = (given: Parameters<typeof decide>[0]) => decide(given).actions.map(brief);

describe("which node gets which slot", () => {
  it("gives the lowest free slot of the fullest backing node", () => {
    const backing = [node("1", []), node("2", [1])];
    assert.deepEqual(actionsOf({ backing, waiting: waits("a") }), ["a gets slot 0 of 2"]);
  });

  it("gives at most one slot of each backing node at a time, and asks for none that will do", () => {
    const given = { backing: [node("1", [])], waiting: waits("a", "b") };
    assert.deepEqual(actionsOf(given), ["a gets slot 0 of 1"]);
    assert.equal(decide(given).reasons.get("b"), "waits for its turn to get a slot");
  });

  for (const [what, changes] of [
    ["has failed", { failed: true }],
    ["is of another label", { label: "other" }],
    ["is not in use", { state: "used" }],
    ["has no free slot", { slots: 1 }],
  ] as const) {
    it(`gives none of a backing node that ${what}`, () => {
      const actions = actionsOf({ backing: [node("1", [0], changes)], waiting: waits("a") });
      assert.deepEqual(actions, ["ask for 1 large"]);
    });
  }

  it("gives none of a backing node of which a change is not seen yet, and asks for no other in its place", () => {
    const given = { backing: [node("1", [0], { isSettled: false })], waiting: waits("a") };
    assert.deepEqual(actionsOf(given), []);
    assert.equal(decide(given).reasons.get("a"), "waits for its turn to get a slot");
  });

  it("gives none of a backing node that is as old as max-age", () => {
    const backing = [node("1", [0])];
    const young = actionsOf({ terms: terms({ maxAge: 10.5 }), backing, waiting: waits("a") });
    assert.deepEqual(young, ["a gets slot 1 of 1"]);
    const old = actionsOf({ terms: terms({ maxAge: 10 }), backing, waiting: waits("a") });
    assert.deepEqual(old, ["ask for 1 large"]);
  });
});

describe("when a backing node is asked for", () => {
  it("asks for as many as the waiting nodes need, together with what is on its way", () => {
    assert.deepEqual(actionsOf({ waiting: waits("a", "b", "c") }), ["ask for 2 large"]);
    const requests = [request("r")];
    assert.deepEqual(actionsOf({ waiting: waits("a", "b", "c"), requests }), ["ask for 1 large"]);
    assert.deepEqual(actionsOf({ waiting: waits("a", "b"), requests }), []);
  });

  it("asks for its own nodes only, but counts what others have asked for theirs", () => {
    assert.deepEqual(actionsOf({ waiting: waits("a"), elsewhere: 3 }), ["ask for 1 large"]);
    const requests = [request("r"), request("s")];
    assert.deepEqual(actionsOf({ waiting: waits("a"), elsewhere: 3, requests }), []);
  });

  it("says what a node waits for", () => {
    const reason = (given: Parameters<typeof decide>[0]) => decide(given).reasons.get("a");
    assert.equal(
      reason({ waiting: waits("a") }),
      "waits for a backing node: one with label large is asked for",
    );
    assert.equal(
      reason({ waiting: waits("a"), requests: [request("r", { state: "pending" })] }),
      "waits for a backing node with label large: request r is pending",
    );
  });
});

describe("a label that pools share out on different terms", () => {
  const huge = (...nodes: string[]) => waits(...nodes).map((one) => ({ ...one, backingLabel: "huge" }));

  it("asks for the backing label of the pool that launches, and for no more than the label lacks", () => {
    assert.deepEqual(actionsOf({ waiting: huge("a") }), ["ask for 1 huge"]);
    assert.deepEqual(actionsOf({ waiting: [...waits("a", "b"), ...huge("c", "d", "e")] }), [
      "ask for 1 large",
      "ask for 1 huge",
    ]);
    assert.deepEqual(actionsOf({ waiting: [...waits("a"), ...huge("b")] }), ["ask for 1 large"]);
  });

  it("asks first for what is asked for least", () => {
    const given = { waiting: [...waits("a"), ...huge("b", "c")], requests: [request("r")] };
    assert.deepEqual(actionsOf(given), ["ask for 1 huge"]);
    const { reasons } = decide(given);
    assert.equal(reasons.get("a"), "waits for a backing node with label large: request r is requested");
    assert.equal(reasons.get("b"), "waits for a backing node: one with label huge is asked for");
  });

  it("puts nodes onto whatever backing node of the label has a slot", () => {
    assert.deepEqual(actionsOf({ waiting: huge("a"), backing: [node("1", [])] }), ["a gets slot 0 of 1"]);
  });

  it("takes a node with the slots of its backing label, and fails the launches that asked for it", () => {
    const fulfilled = request("r", { state: "fulfilled", node: "9", backingLabel: "huge" });
    assert.deepEqual(actionsOf({ requests: [fulfilled] }), ["take 9 with 3 slots"]);
    const failed = request("r", { state: "failed", backingLabel: "huge" });
    assert.deepEqual(
      actionsOf({ requests: [failed], waiting: [...waits("a"), ...huge("b")] })[0],
      "withdraw r and fail b",
    );
  });
});

describe("what becomes of a request for a backing node", () => {
  const fulfilled = request("r", { state: "fulfilled", node: "9" });

  it("takes its node, also when nobody waits any more", () => {
    assert.deepEqual(actionsOf({ requests: [fulfilled], waiting: waits("a") }), ["take 9 with 2 slots"]);
    assert.deepEqual(actionsOf({ requests: [fulfilled] }), ["take 9 with 2 slots"]);
  });

  it("waits while somebody has its node locked", () => {
    const requests = [request("r", { state: "fulfilled", node: "9", isLocked: true })];
    assert.deepEqual(actionsOf({ requests, waiting: waits("a") }), []);
  });

  it("leaves it alone while a change of it is not seen yet: its node may not be seen either", () => {
    const requests = [request("r", { state: "fulfilled", isSettled: false })];
    assert.deepEqual(actionsOf({ requests, waiting: waits("a") }), []);
  });

  it("ends it when its node is gone", () => {
    assert.deepEqual(actionsOf({ requests: [request("r", { state: "fulfilled" })] }), ["withdraw r"]);
  });

  it("ends it when nobody waits, unless a launch for it has begun", () => {
    assert.deepEqual(actionsOf({ requests: [request("r")] }), ["withdraw r"]);
    assert.deepEqual(actionsOf({ requests: [request("r")], elsewhere: 1 }), []);
    assert.deepEqual(actionsOf({ requests: [request("r", { state: "pending" })] }), []);
  });

  it("fails as many launches as it would have served, with its reason", () => {
    const failed = request("r", { state: "failed", reason: "no room" });
    const decision = decide({ requests: [failed], waiting: waits("a", "b", "c") });
    assert.deepEqual(decision.actions.map(brief), ["withdraw r and fail a and fail b", "ask for 1 large"]);
    const [withdraw] = decision.actions;
    assert.equal(
      withdraw?.kind === "withdraw" && withdraw.reason,
      "request r for a backing node failed: no room",
    );
  });

  it("leaves a failed one to whoever waits for it", () => {
    assert.deepEqual(actionsOf({ requests: [request("r", { state: "failed" })], elsewhere: 1 }), []);
  });
});

describe("when a backing node is given back", () => {
  it("keeps an empty one for the grace time, and wakes up at its end", () => {
    const backing = (idleSince: number) => [node("1", [], { idleSince })];
    const kept = decide({ backing: backing(NOW - 59) });
    assert.deepEqual([kept.actions, kept.wakeAt], [[], NOW + 1]);
    assert.match(kept.reasons.get("1") ?? "", /goes in 1 s unless a node comes/);
    assert.deepEqual(actionsOf({ backing: backing(NOW - 60) }), ["retire 1"]);
  });

  it("keeps it for the minimum retention time from its launch", () => {
    const long = terms({ minRetentionTime: 100 });
    const backing = (launched: number) => [node("1", [], { launched, idleSince: 0 })];
    const kept = decide({ terms: long, backing: backing(NOW - 99) });
    assert.deepEqual([kept.actions, kept.wakeAt], [[], NOW + 1]);
    assert.deepEqual(actionsOf({ terms: long, backing: backing(NOW - 100) }), ["retire 1"]);
  });

  it("gives an empty one back that is too old, has failed, or whose label is gone", () => {
    assert.deepEqual(actionsOf({ terms: terms({ maxAge: 10 }), backing: [node("1", [])] }), ["retire 1"]);
    const unseen = [node("1", [], { isSettled: false })];
    assert.deepEqual(actionsOf({ terms: terms({ maxAge: 10 }), backing: unseen }), []);
    assert.deepEqual(actionsOf({ backing: [node("1", [], { failed: true })] }), ["retire 1"]);
    assert.deepEqual(actionsOf({ terms: { of: () => undefined }, backing: [node("1", [])] }), ["retire 1"]);
  });

  it("gives none back that somebody is on, or gets onto now", () => {
    const old = decide({ terms: terms({ maxAge: 10 }), backing: [node("1", [0])] });
    assert.deepEqual(old.actions, []);
    assert.match(old.reasons.get("1") ?? "", /goes when it is empty: it is older than max-age \(10 s\)/);
    const backing = [node("1", [], { idleSince: 0 })];
    assert.deepEqual(actionsOf({ backing, waiting: waits("a") }), ["a gets slot 0 of 1"]);
  });

  it("lets go of one that somebody deletes, whatever is on it", () => {
    assert.deepEqual(actionsOf({ backing: [node("1", [0], { state: "deleting" })] }), ["retire 1"]);
  });

  it("wakes up when one becomes too old", () => {
    assert.equal(decide({ terms: terms({ maxAge: 30 }), backing: [node("1", [0])] }).wakeAt, NOW + 20);
  });
});
