// Whatever happens: a decision by what an event has touched is the decision about everything.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import type { NodeRecord } from "../../lib/model/node.ts";
import { compareRequests } from "../../lib/model/request.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import { RandomWorld } from "../../test/harness/random_world.ts";
import { type Action, keys, type World } from "./actions.ts";
import { reasonOf } from "./decide.ts";
import type { Decided, Explanation } from "./explain/explanation.ts";
import { explainLabel } from "./explain/label.ts";
import { explainNode } from "./explain/node.ts";
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
    // A check of a host goes before a launch.
    const isWorthIt = pools.some(({ rule }) => rule === "host-check");
    const isAble = pools.some(({ verdict }) => verdict === "able");
    assert.ok(isWorthIt || !isAble, `${place}: ${entry.id} waits, yet a pool is able`);
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

/** Whether something is done about a node, or somebody else has it in hand. */
function isInHand({ hand }: World, { id, lock }: NodeEntry): boolean {
  const isOurs = hand.isBusy(keys.node(id)) || hand.launches.has(id) || hand.deletions.has(id);
  return isOurs || lock.contenders.length > 0;
}

const IS_OVER = /^.* ends it in 0 s$/;
const IS_HELD = /^it is held when it is returned$/;
const IS_FREE = /^it is allocated to request .*, which is gone$/;

/** Whether something is due by what explain says of a node of ours. */
function isDue({ summary, facts }: Explanation, { state }: NodeRecord): boolean {
  const says = (what: RegExp) => facts.some((fact) => what.test(fact));
  const isOver = summary === "it waits for its deletion" || says(IS_OVER);
  return isOver || (isReturned(state) && says(IS_HELD)) || (state === "ready" && says(IS_FREE));
}

const isReturned = (state: NodeRecord["state"]) => state === "used" || state === "in-use";

/** What explain has to say of a node about which this is done; null where anything will do. */
function causeOf(action: Action): RegExp | null {
  if (action.kind === "hold") return IS_HELD;
  if (action.kind === "free") return IS_FREE;
  return action.kind === "delete" && / for longer than /.test(action.reason) ? IS_OVER : null;
}

/** Compares what explain says of every node with what the decision does, once that is begun. */
function checkNodes({ world, decision }: Decided, place: string): void {
  for (const entry of world.tree.nodes()) {
    const { id, record } = entry;
    if (record === null || !world.providers.has(record.provider ?? "")) continue;
    const told = explainNode({ world }, entry);
    const says = `${place}: ${id} is ${record.state}: ${[told.summary, ...told.facts].join("; ")}`;
    assert.ok(!isDue(told, record) || isInHand(world, entry), `${says}, and nothing is done`);
    const isKept = isReturned(record.state) && told.facts.some((fact) => IS_HELD.test(fact));
    for (const action of decision.actions) {
      if (!("node" in action) || action.node !== id) continue;
      assert.ok(!isKept || action.kind !== "delete", `${says}, and it is deleted`);
      const cause = causeOf(action);
      if (cause !== null)
        assert.ok(
          told.facts.some((fact) => cause.test(fact)),
          says,
        );
    }
  }
}

/** Compares what explain says of every label with whether the decision asks for nodes of it, once that is begun. */
function checkLabels({ world, decision }: Decided, place: string): void {
  for (const name of world.config.labels.keys()) {
    const summary = explainLabel({ world, decision }, name)?.summary;
    const reason = decision.labelReasons.get(name);
    const asks = decision.actions.some((action) => action.kind === "ask-min-ready" && action.label === name);
    if (reason !== undefined) assert.equal(summary, reason, place);
    else if (asks) assert.equal(summary, "more are asked for", `${place}: ${name}`);
    else if (summary === "more are asked for")
      assert.ok(world.hand.isBusy(keys.label(name)), `${place}: ${name}`);
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

  it("is what explain tells: whatever nothing is done about has a reason to wait, and nothing else has", () => {
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const random = new RandomWorld(1000 + seed);
      for (let step = 0; step < STEPS; step += 1) {
        random.step();
        const decided = random.decideByChanges();
        random.begin(decided.decision);
        const [told, place] = [
          { world: decided.seen, decision: decided.decision },
          `seed ${seed}, step ${step}`,
        ];
        checkRequests(told, place);
        checkNodes(told, place);
        checkLabels(told, place);
      }
    }
  });
});
