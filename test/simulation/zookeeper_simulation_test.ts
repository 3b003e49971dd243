// A thousand runs of real sessions, locks and views in bad weather. What a seed does is told in docs/robustness.md.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { FAULT_POINTS } from "./bad_weather.ts";
import { runSeeds, type SeedsResult } from "./zookeeper_seeds.ts";

// Deno needs about three times the time for the same; what differs between the runtimes shows in fewer runs.
const SEEDS = "Deno" in globalThis ? 200 : 1000;

describe(`sessions, locks and views under faults (${SEEDS} seeds)`, () => {
  let result: SeedsResult;
  before(async () => {
    result = await runSeeds(1, SEEDS, 40);
  });

  it("never have a lock twice, a late write, a wrong view, a lost event, a hung call or a contender left behind", () => {
    const told = result.failed.map(({ seed, faults }) => {
      return `npm run soak -- zookeeper-simulation --from ${seed} --seeds 1\n  ${faults.join("\n  ")}`;
    });
    assert.equal(told.length, 0, told.join("\n"));
    assert.ok(result.writes > SEEDS, `only ${result.writes} writes were tried`);
  });

  it("were struck at every point where a fault may strike", { skip: SEEDS < 1000 }, () => {
    const missed = FAULT_POINTS.filter((point) => !result.struck.has(point));
    assert.deepEqual(missed, []);
    assert.ok(FAULT_POINTS.length >= 20);
  });
});
