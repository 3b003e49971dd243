import assert from "node:assert/strict";
import { test } from "node:test";
import { ZooKeeperError } from "../../lib/zookeeper/types.ts";
import { retryConflicts } from "./retry.ts";

test("a conflict with a write that is not carried out yet is over once a later write has its answer", async () => {
  let isCarriedOut = false;
  const session = {
    // As a leader answers its own clients: at once.
    sync: async () => {},
    multi: async () => {
      isCarriedOut = true;
      return [];
    },
  };
  const context = { session, view: { settled: async () => {} } } as unknown as Parameters<
    typeof retryConflicts
  >[0];
  let attempts = 0;
  const answer = await retryConflicts(context, async () => {
    attempts += 1;
    if (!isCarriedOut) throw new ZooKeeperError("BAD_VERSION", "somebody else writes", "/nodepool/nodes/1");
    return "done";
  });
  assert.equal(answer, "done");
  assert.equal(attempts, 2);
});

test("what conflicts again and again is given up, and what fails otherwise is not repeated", async () => {
  const context = {
    session: { multi: async () => [] },
    view: { settled: async () => {} },
  } as unknown as Parameters<typeof retryConflicts>[0];
  for (const [code, most] of [
    ["BAD_VERSION", 5],
    ["CONNECTION_LOSS", 1],
  ] as const) {
    let attempts = 0;
    const attempt = async () => {
      attempts += 1;
      throw new ZooKeeperError(code, "it does not work", "/nodepool/nodes/1");
    };
    await assert.rejects(retryConflicts(context, attempt), new RegExp(code));
    assert.equal(attempts, most);
  }
});
