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
});
