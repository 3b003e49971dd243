// Whatever stands in the way: it is gone when that has changed of which explain says that it would have to.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { randomScene } from "../../../test/harness/random_scene.ts";
import { CURES, type Moment, type Trouble } from "../../../test/harness/remedies.ts";
import { NOW, world } from "../../../test/harness/world.ts";
import { Random } from "../../../test/simulation/random.ts";
import type { Decision, World } from "../actions.ts";
import { decide } from "../decide.ts";
import type { Rule } from "../pool/obstacle.ts";
import { AGING_SECONDS } from "../request/queue.ts";
import type { PoolExplanation } from "./explanation.ts";
import { explainLabel } from "./label.ts";
import { explainRequest } from "./request.ts";

const WORLDS = Number(process.env.NODEPOOL_TEST_WORLDS ?? 300);

interface Decided {
  readonly world: World;
  readonly decision: Decision;
}

function decideAt({ scene, now }: Moment): Decided {
  const seen = { ...world(scene), now };
  return { world: seen, decision: decide(seen) };
}

/** What the pools say, of a request or, for null, of a label. */
function poolsOf(moment: Moment, id: string | null, label: string): readonly PoolExplanation[] {
  const decided = decideAt(moment);
  if (id === null) return explainLabel(decided, label)?.pools ?? [];
  const entry = decided.world.tree.request(id);
  return entry === undefined ? [] : explainRequest(decided, entry).pools;
}

/** The sentence without its numbers, so that a raised limit is still the same one. */
const kindOf = (reason: string) => reason.replaceAll(/(?<= )\d+\b/g, "N");

/** The request with what is decided of pools that never serve it. */
function declined(moment: Moment, id: string): Moment {
  const { decision } = decideAt(moment);
  const action = decision.actions.find((each) => each.kind === "decline" && each.request === id);
  if (action?.kind !== "decline") return moment;
  const requests = (moment.scene.requests ?? []).map((entry) => {
    if (entry.id !== id || entry.record === null) return entry;
    const { record } = entry;
    const declinedBy = [...record.declinedBy, ...action.pools];
    const state = action.failed ? ("failed" as const) : record.state;
    return { ...entry, record: { ...record, state, declinedBy, extra: { reason: action.reason } } };
  });
  return { ...moment, scene: { ...moment.scene, requests } };
}

/** Whether something is done about a request. */
function isDecided(moment: Moment, id: string): boolean {
  return decideAt(moment).decision.actions.some((action) => "request" in action && action.request === id);
}

/** A new request for the same. */
function askAnew({ scene, now }: Moment, id: string | null): Moment {
  const requests = (scene.requests ?? []).map((entry) =>
    entry.id !== id || entry.record === null
      ? entry
      : { ...entry, record: { ...entry.record, state: "requested" as const, declinedBy: [], extra: {} } },
  );
  return { scene: { ...scene, requests }, now };
}

const only = ({ scene, now }: Moment, id: string): Moment => {
  return { scene: { ...scene, requests: (scene.requests ?? []).filter((entry) => entry.id === id) }, now };
};

describe("what explain says would have to change", () => {
  const done = new Map<string, number>();

  function check(moment: Moment, id: string | null, label: string, place: string): void {
    for (const told of poolsOf(moment, id, label)) {
      if (told.rule === "") continue;
      const served = moment.scene.pools?.find((candidate) => candidate.id === told.pool);
      assert.ok(served, place);
      assert.notEqual(told.remedy, "", place);
      const trouble: Trouble = { ...moment, request: id, pool: served, reason: told.reason };
      for (const [at, cure] of CURES[told.rule as Rule].entries()) {
        const changed = cure(trouble);
        if (changed === null) continue;
        checkCured(changed, id, label, told, place);
        done.set(`${told.rule} ${at}`, (done.get(`${told.rule} ${at}`) ?? 0) + 1);
      }
    }
  }

  /** What was told is over, and a request that nothing else is in the way of gets its turn. */
  function checkCured(
    changed: Moment,
    id: string | null,
    label: string,
    { pool: name, verdict, reason, remedy }: PoolExplanation,
    place: string,
  ): void {
    const then = verdict === "declined" ? declined(askAnew(changed, id), id ?? "") : changed;
    const after = poolsOf(then, id, label);
    const now = after.find((other) => other.pool === name)?.reason ?? "";
    const told = `${place}: '${reason}', remedy '${remedy}', then '${now}'`;
    assert.notEqual(kindOf(now), kindOf(reason), told);
    if (id === null || verdict !== "waits" || after.some((other) => other.verdict === "waits")) return;
    assert.ok(isDecided(changed, id), `${told}: nothing is in the way, and nothing is done`);
  }

  it(`is enough, for the first request of the queue and for labels in ${WORLDS} random worlds`, () => {
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const moment = { scene: randomScene(new Random(seed)), now: NOW };
      for (const label of ["small", "large", "huge", "box", "bench"])
        check(moment, null, label, `seed ${seed}, ${label}`);
      for (const { id } of moment.scene.requests ?? []) {
        const place = `seed ${seed}, ${id}`;
        const alone = only(moment, id);
        check(alone, id, "", place);
        check(declined(alone, id), id, "", place);
      }
    }
  });

  /** Takes the request away that goes before another one. */
  function checkBefore(
    moment: Moment,
    id: string,
    { pool: name, reason }: PoolExplanation,
    place: string,
  ): void {
    const served = moment.scene.pools?.find((candidate) => candidate.id === name);
    assert.ok(served, place);
    const [, before] = /request (\S+) /.exec(reason) ?? [];
    const made = moment.scene.requests?.find((entry) => entry.id === before)?.record?.createdTime ?? NOW;
    if (reason.includes("has waited long")) assert.ok(NOW - made >= AGING_SECONDS, `${place}: ${reason}`);
    for (const [at, cure] of CURES.aging.entries()) {
      const changed = cure({ ...moment, request: id, pool: served, reason });
      assert.ok(changed, place);
      const now = poolsOf(changed, id, "").find((other) => other.pool === name);
      assert.notEqual(now?.reason, reason, place);
      done.set(`aging ${at}`, (done.get(`aging ${at}`) ?? 0) + 1);
    }
  }

  it("is the end of a wait for requests that go before", () => {
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const moment = { scene: randomScene(new Random(seed)), now: NOW };
      for (const { id } of moment.scene.requests ?? []) {
        const aging = poolsOf(moment, id, "").filter(({ rule }) => rule === "aging");
        for (const one of aging) checkBefore(moment, id, one, `seed ${seed}, ${id}`);
      }
    }
  });

  it("was tried for each rule and each way out of it", () => {
    const all = Object.entries(CURES).flatMap(([rule, cures]) => cures.map((_, at) => `${rule} ${at}`));
    assert.deepEqual(
      all.filter((key) => !done.has(key)),
      [],
      JSON.stringify([...done]),
    );
  });
});
