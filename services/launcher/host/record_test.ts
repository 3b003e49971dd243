import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type NodeRecord, TransitionError } from "../../../lib/model/node.ts";
import type { Host } from "../../../lib/provider/contract.ts";
import {
  checked,
  FOUND,
  host,
  hostPool,
  KEY,
  OTHER_KEY,
  slotNode,
} from "../../../test/harness/host_world.ts";
import { NOW } from "../../../test/harness/world.ts";
import { judge } from "./judge.ts";
import { outOfService, wantedRecord } from "./record.ts";

const RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAABwDjO";

/** A record, and what it should be by a check that has found this. */
function rewritten(
  found: typeof FOUND | string,
  state: NodeRecord["state"],
  more: Partial<NodeRecord> = {},
  configured: Partial<Host> = {},
) {
  const one = host(configured);
  const node = slotNode("0001", state, 0, more);
  const verdict = judge(one, [], checked(one, found), NOW);
  assert.ok(verdict.kind !== "unknown");
  const slot = { pool: hostPool("lab/main", [one]), host: one, number: 0, node };
  return { record: node.record, wanted: wantedRecord(slot, node.record, verdict, NOW) };
}

describe("the record of a slot", () => {
  it("says since when and why it is out of service", () => {
    const { record, wanted } = rewritten("it is down", "ready");
    assert.deepEqual(wanted, {
      ...record,
      state: "testing",
      stateTime: NOW,
      comment: "out of service: it is down",
    });
  });

  it("says since when it is back, and no more why it was not", () => {
    const { record, wanted } = rewritten(FOUND, "testing", { comment: "out of service: it is down" });
    assert.deepEqual(wanted, { ...record, state: "ready", stateTime: NOW, comment: null });
  });

  it("is not taken out of service while somebody has it", () => {
    for (const state of ["in-use", "used", "hold"] as const) {
      assert.throws(() => rewritten("it is down", state), TransitionError, state);
    }
  });

  it("keeps the comment that somebody has written while it was ready", () => {
    const { record, wanted } = rewritten(FOUND, "ready", { comment: "its fan is loud" });
    assert.equal(wanted, record);
  });

  it("that named no slot names it from now on", () => {
    assert.equal(rewritten(FOUND, "ready", { slot: null }).wanted.slot, 0);
  });
});

describe("the keys in the record of a slot", () => {
  const keysAfter = (recorded: readonly string[], found: readonly string[]) => {
    const check = { ...FOUND, hostKeys: [...found] };
    return rewritten(check, "ready", { hostKeys: recorded }).wanted.hostKeys;
  };

  it("may be more than ours, as a Python launcher records every type", () => {
    assert.deepEqual(keysAfter([RSA, KEY], [KEY]), [RSA, KEY]);
  });

  it("are written anew when one of its type differs, is missing, or none is wanted any more", () => {
    assert.deepEqual(keysAfter([OTHER_KEY], [KEY]), [KEY]);
    assert.deepEqual(keysAfter([KEY, OTHER_KEY], [KEY]), [KEY]);
    assert.deepEqual(keysAfter([RSA], [KEY]), [KEY]);
    assert.deepEqual(keysAfter([KEY], []), []);
  });
});

describe("why a slot is out of service", () => {
  it("is told of those only that are, also when somebody else has taken it out", () => {
    assert.equal(outOfService({ state: "testing", comment: "out of service: it is down" }), "it is down");
    assert.equal(outOfService({ state: "testing", comment: "its fan is loud" }), "it is being tested");
    assert.equal(outOfService({ state: "ready", comment: "out of service: it is down" }), null);
  });
});
