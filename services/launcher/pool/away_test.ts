// Which pools are away: what is known of them from one look at who is registered to the next.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolRecord } from "../../../lib/model/component.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { NOW, otherPool } from "../../../test/harness/world.ts";
import { AWAY_SECONDS, AwayPools, endOfWait, whyAway } from "./away.ts";

const NOBODY: ReadonlySet<string> = new Set();

function registered(sequence: number, more: Partial<PoolRecord> = {}, place = "beta/main"): PoolEntry {
  const znode = `host${String(sequence).padStart(10, "0")}`;
  return { ...otherPool(place, ["large"], { hostname: "one", ...more }), znode };
}

/** Looks one after the other, a second apart; who is away after the last. */
function after(...looks: PoolEntry[][]): string[] {
  const away = new AwayPools();
  for (const [second, look] of looks.entries()) away.note(look, NOBODY, NOW + second);
  return Array.from(away, ({ pool, labels, since }) => `${pool} ${labels.join()} since ${since - NOW}`);
}

describe("a pool of another launcher", () => {
  it("is away since it was missed first, with what it offered last", () => {
    assert.deepEqual(after([registered(1)], [], []), ["beta/main large since 1"]);
    const other = registered(1, { supportedLabels: ["small"] });
    assert.deepEqual(after([registered(1)], [other], []), ["beta/main small since 2"]);
    assert.deepEqual(after([registered(1)], [registered(1)]), []);
    assert.deepEqual(after([]), [], "nobody knows of one that was never there");
  });

  it("is back when its launcher has registered it again, whatever it offers by then", () => {
    const again = registered(2, { id: "new", supportedLabels: ["small"] });
    assert.deepEqual(after([registered(1)], [], [again]), []);
    assert.deepEqual(after([registered(1), again], [again]), [], "before its old session ended");
  });

  it("is not back because another launcher has one of the same name, or that launcher another one", () => {
    const others = [
      registered(2, { hostname: "two" }),
      registered(2, {}, "beta/more"),
      registered(0, { hostname: "one" }),
      { ...registered(2), record: null },
    ];
    for (const other of others) {
      assert.deepEqual(after([registered(1), other], [other]), ["beta/main large since 1"]);
    }
  });

  it("is not away when it is our own, or cannot be read", () => {
    const away = new AwayPools();
    const unreadable = { ...registered(2), record: null };
    away.note([registered(1, { id: "ours" }), unreadable], new Set(["ours"]), NOW);
    away.note([], new Set(["ours"]), NOW + 1);
    assert.deepEqual([...away], []);
  });

  it("is waited for in words until the end of the wait, told once, and forgotten after an hour", () => {
    const away = new AwayPools();
    away.note([registered(1)], NOBODY, NOW);
    assert.equal(away.note([], NOBODY, NOW), false);
    const [pool] = away;
    assert.ok(pool);
    const end = NOW + AWAY_SECONDS;
    assert.equal(endOfWait(pool), end);
    const why = "beta/main: its launcher has been away since 1970-01-01T02:46:40Z";
    assert.equal(whyAway(pool, end - 1), `${why}, and is waited for until 1970-01-01T02:51:40Z`);
    assert.equal(whyAway(pool, end), why);
    const told = [end - 1, end, end + 1].map((time) => away.note([], NOBODY, time));
    assert.deepEqual(told, [false, true, false]);
    away.note([], NOBODY, NOW + 3599);
    assert.equal([...away].length, 1);
    away.note([], NOBODY, NOW + 3600);
    assert.deepEqual([...away], []);
  });

  it("is waited for no longer than else when the clock is set back", () => {
    const away = new AwayPools();
    away.note([registered(1)], NOBODY, NOW);
    away.note([], NOBODY, NOW);
    away.note([], NOBODY, NOW - 1000);
    assert.deepEqual(
      Array.from(away, ({ since }) => since),
      [NOW - 1000],
    );
  });
});
