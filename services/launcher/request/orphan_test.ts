// A node that another launcher has given away may be shown before its request is: it is no orphan then.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { node, request } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import { freeNode } from "./fulfil.ts";
import { returnOrphan } from "./lease.ts";
import { encodeNodeLease } from "./own_data.ts";

/** Effects on one node of the request 200-1, which is shown, if it exists, when the view has settled. */
function scene(given: NodeEntry, isThere: boolean) {
  let isSettled = false;
  const written: unknown[] = [];
  const view = {
    node: () => given,
    request: () => (isThere && isSettled ? request("200-1") : undefined),
    isPending: () => !isSettled,
    settled: async () => {
      isSettled = true;
    },
  };
  const session = {
    multi: async (operations: unknown[]) => {
      written.push(operations);
      return [];
    },
  };
  const environment = {
    context: { view, session, providers: [], clock: { now: () => 0 } },
    pools: [],
    hand: { deletions: new Set(), holdWishes: new Map() },
    checkpoint: async () => {},
    kick: () => {},
  } as unknown as Environment;
  return { environment, written };
}

const userData = encodeNodeLease({ request: "200-1", contender: "00ff" });
const leased = node("0001", "in-use", { allocatedTo: "200-1", userData, locked: true });
const allocated = node("0001", "ready", { allocatedTo: "200-1" });

for (const [what, given, perform] of [
  ["a node in use", leased, (env: Environment) => returnOrphan(env, "0001")],
  ["a ready node", allocated, (env: Environment) => freeNode(env, { kind: "free", node: "0001" })],
] as const) {
  describe(`${what} whose request is not seen`, () => {
    it("is left alone when the request comes into view with all that was told before the node", async () => {
      const { environment, written } = scene(given, true);
      await perform(environment);
      assert.deepEqual(written, []);
    });

    it("is taken when the request is gone", async () => {
      const { environment, written } = scene(given, false);
      await perform(environment);
      assert.equal(written.length, 1);
    });
  });
}
