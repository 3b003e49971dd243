import assert from "node:assert/strict";
import { test } from "node:test";
import { editAtRandom } from "../harness/plan_life.ts";
import { Random } from "../simulation/random.ts";

test("what the launcher plans for a configuration is what then happens", async () => {
  const counts = await editAtRandom(new Random(3), 12);
  for (const kind of ["launch", "delete-node", "serve-label", "drop-label"]) {
    assert.ok((counts[kind] ?? 0) > 0, `no ${kind} was planned: ${JSON.stringify(counts)}`);
  }
});
