// Whatever happens: a decision by what an event has touched is the decision about everything.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { compareRequests } from "../../lib/model/request.ts";
import { RandomWorld } from "../../test/harness/random_world.ts";
import { keys } from "./actions.ts";
import { reasonOf } from "./decide.ts";
import type { Decided } from "./explain/explanation.ts";
import { explainRequest } from "./explain/request.ts";

const WORLDS = Number(process.env.NODEPOOL_TEST_WORLDS ?? 40);
const STEPS = 80;

/** Compares what explain says of every request with what the decision does, once that is begun. */
function checkRequests({ world, decision }: Decided, place: string): void {
  const acted = new Set(decision.actions.flatMap((action) => ("request" in action ? [action.request] : [])));
  for (const entry of world.tree.requests()) {
    const { queue, hungry } = world.index;
    if (queue.kindOf(entry.id) === null && !hungry.has(entry.id)) continue;
    const { summary, pools, before } = explainRequest({ world, decision }, entry);
    const waits = reasonOf(world, decision, entry.id);
    if (acted.has(entry.id) && world.hand.isBusy(keys.request(entry.id))) {
      assert.equal(waits, undefined, `${place}: something is done about ${entry.id}`);
      continue;
    }
    assert.equal(summary, waits, place);
    const inTheWay = pools.filter(({ verdict }) => verdict === "waits" || verdict === "never");
    for (const { reason, rule, remedy } of inTheWay) {
      assert.ok(summary.includes(reason), `${place}: '${summary}' lacks '${reason}'`);
      assert.ok(rule !== "" && remedy !== "");
    }
    assert.ok(
      !pools.some(({ verdict }) => verdict === "able"),
      `${place}: ${entry.id} waits, yet a pool is able`,
    );
    const ahead = [...world.tree.requests()].flatMap(({ record, ...other }) =>
      record !== null && (queue.kindOf(other.id) !== null || hungry.has(other.id))
        ? [{ ...other, record }]
        : [],
    );
    const mine = ahead.find(({ id }) => id === entry.id);
    assert.ok(mine);
    assert.equal(before?.count, ahead.filter((other) => compareRequests(other, mine) < 0).length, place);
  }
}

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

  it("is what explain tells: a request that nothing is done about has a reason, others have none", () => {
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const random = new RandomWorld(1000 + seed);
      for (let step = 0; step < STEPS; step += 1) {
        random.step();
        const decided = random.decideByChanges();
        random.begin(decided.decision);
        checkRequests({ world: decided.seen, decision: decided.decision }, `seed ${seed}, step ${step}`);
      }
    }
  });
});
