// Whatever happens: a decision by what an event has touched is the decision about everything.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { RandomWorld } from "../../test/harness/random_world.ts";

const WORLDS = Number(process.env.NODEPOOL_TEST_WORLDS ?? 40);
const STEPS = 80;

describe("a decision by changes", () => {
  it(`is the decision in full, in ${WORLDS} random worlds`, () => {
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const random = new RandomWorld(seed);
      for (let step = 0; step < STEPS; step += 1) {
        random.step();
        const full = random.tell(random.decideInFull());
        const byChanges = random.decideByChanges();
        assert.deepEqual(random.tell(byChanges), full, `seed ${seed}, step ${step}`);
        random.begin(byChanges.decision);
      }
    }
  });
});
