import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Agenda } from "./agenda.ts";
import { SortedList } from "./sorted_list.ts";

/** Numbers that look random, the same in every run. */
function numbers(count: number): number[] {
  let state = 7;
  return Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % 1000;
  });
}

describe("SortedList", () => {
  it("is in order after any additions and removals", () => {
    const list = new SortedList<number>((left, right) => left - right);
    const values = numbers(200);
    for (const value of values) list.add(value);
    const kept = values.slice(50);
    for (const value of values.slice(0, 50)) assert.equal(list.remove(value), true);
    assert.equal(list.remove(-1), false);
    assert.deepEqual(
      list.items,
      kept.toSorted((left, right) => left - right),
    );
  });

  it("tells how many come before an item", () => {
    const list = new SortedList<number>((left, right) => left - right);
    for (const value of [5, 1, 3, 3]) list.add(value);
    assert.equal(list.countBefore(3), 1);
    assert.equal(list.countBefore(3, true), 3);
    assert.equal(list.countBefore(9), 4);
  });
});

describe("Agenda", () => {
  it("gives keys in the order of their times, each once", () => {
    const agenda = new Agenda();
    const times = numbers(100);
    for (const [index, at] of times.entries()) agenda.set(`k${index}`, at);
    const order = agenda.due(1000).map((key) => times[Number(key.slice(1))]);
    assert.deepEqual(
      order,
      times.toSorted((left, right) => left - right),
    );
    assert.equal(agenda.next, null);
  });

  it("keeps the last time of a key, and forgets a key without one", () => {
    const agenda = new Agenda();
    agenda.set("a", 5);
    agenda.set("b", 3);
    agenda.set("a", 9);
    agenda.set("b", null);
    assert.equal(agenda.next, 9);
    agenda.set("a", 2);
    assert.deepEqual(agenda.due(2), ["a"]);
    assert.deepEqual(agenda.due(100), []);
  });

  it("leaves the keys whose time has not come", () => {
    const agenda = new Agenda();
    for (const [key, at] of Object.entries({ soon: 5, later: 6, never: Infinity })) agenda.set(key, at);
    assert.deepEqual([agenda.due(4), agenda.due(5), agenda.next], [[], ["soon"], 6]);
    assert.deepEqual(agenda.due(Number.MAX_VALUE), ["later"]);
  });

  it("does not keep the times that were replaced, however far off they are", () => {
    const agenda = new Agenda();
    const far = 1_000_000;
    for (let turn = 0; turn < 1000; turn += 1) {
      agenda.set("changed", far - turn);
      agenda.set(`gone ${turn}`, far + turn);
      agenda.set(`gone ${turn}`, null);
      agenda.set("again", far);
      if (turn % 2 === 0) agenda.set("again", null);
    }
    assert.ok(agenda.kept < 30, `${agenda.kept} entries for 2 keys`);
    assert.deepEqual(agenda.due(2 * far), ["changed", "again"]);
    assert.equal(agenda.next, null);
  });

  it("gives keys in the order of their times, however often they were replaced", () => {
    const agenda = new Agenda();
    const times = new Map<string, number>();
    for (const [index, at] of numbers(5000).entries()) {
      const key = `k${index % 70}`;
      const isOff = at % 3 === 0;
      agenda.set(key, isOff ? null : at);
      if (isOff) times.delete(key);
      else times.set(key, at);
    }
    const order = agenda.due(1000).map((key) => times.get(key));
    assert.deepEqual(
      order,
      [...times.values()].toSorted((left, right) => left - right),
    );
  });
});
