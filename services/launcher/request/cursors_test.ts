import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareRequests } from "../../../lib/model/request.ts";
import { SortedList } from "../../../lib/std/sorted_list.ts";
import { request } from "../../../test/harness/world.ts";
import { Cursors } from "./cursors.ts";
import type { Kind, ReadableRequest } from "./queue.ts";

/** How often requests were compared since the last look, twice each. */
let looks = 0;

function waiting(id: string): ReadableRequest {
  const { record, ...entry } = request(id);
  assert.ok(record);
  const counted = {
    ...record,
    get relativePriority() {
      looks += 1;
      return 0;
    },
  };
  return { ...entry, record: counted };
}

function kind(key: string, ids: string[], aged: string[] = []): Kind {
  const list = (some: string[]) => {
    const sorted = new SortedList<ReadableRequest>(compareRequests);
    for (const id of some) sorted.add(waiting(id));
    return sorted;
  };
  return { key, waiting: list(ids), aged: list(aged) };
}

const kept = { pools: [], hosts: [], share: {} };

describe("the requests that wait", () => {
  it("come in the order of the queue, whatever their kind is", () => {
    const cursors = new Cursors([
      kind("a", ["200-1", "200-4"]),
      kind("b", ["200-2", "200-3"]),
      kind("c", []),
    ]);
    const order: string[] = [];
    for (let cursor = cursors.take(); cursor !== undefined; cursor = cursors.take()) {
      order.push(cursor.head.id);
      cursors.goOn(cursor);
    }
    assert.deepEqual(order, ["200-1", "200-2", "200-3", "200-4"]);
  });

  it("of a kind that has to wait come no more, but for the first that has waited long", () => {
    const cursors = new Cursors([
      kind("a", ["200-1", "200-2", "200-3"], ["200-2", "200-3"]),
      kind("b", ["200-4"]),
    ]);
    const first = cursors.take();
    assert.ok(first);
    cursors.goOnWithAged(first, kept);
    const second = cursors.take();
    assert.deepEqual([second?.head.id, second?.kept], ["200-2", kept]);
    assert.equal(cursors.take()?.head.id, "200-4");
    assert.equal(cursors.take(), undefined);
  });

  it("are found without comparing each kind with each other", () => {
    const count = 1000;
    const kinds = Array.from({ length: count }, (_, at) => kind(`${at}`, [`200-${at}`, `300-${at}`]));
    looks = 0;
    const cursors = new Cursors(kinds);
    for (let cursor = cursors.take(); cursor !== undefined; cursor = cursors.take()) cursors.goOn(cursor);
    const comparisons = looks / 2;
    assert.ok(comparisons < 10 * count * Math.log2(count), `${comparisons} comparisons of ${count} kinds`);
  });
});
