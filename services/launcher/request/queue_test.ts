// What is known of requests that wait, when they come, change and go.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR, type RequestRecord } from "../../../lib/model/request.ts";
import { NOW, request } from "../../../test/harness/world.ts";
import { encodeOwnData } from "./own_data.ts";
import { AGING_SECONDS, Queue, type ReadableRequest } from "./queue.ts";

/** A request that was made so many seconds ago. */
function waiting(id: string, age = 0, more: Partial<RequestRecord> = {}): ReadableRequest {
  const entry = request(id, { createdTime: NOW - age, ...more });
  assert.ok(entry.record);
  return { ...entry, record: entry.record };
}

function queueOf(...entries: readonly ReadableRequest[]): Queue {
  const queue = new Queue();
  for (const entry of entries) queue.update(entry, true, NOW);
  return queue;
}

/** The ids of those that wait, and of those that have waited long, kind by kind. */
function idsIn(queue: Queue) {
  const ids = ({ items }: { readonly items: readonly { readonly id: string }[] }) =>
    items.map(({ id }) => id);
  return Array.from(queue.kinds(), ({ waiting: all, aged }) => ({ all: ids(all), aged: ids(aged) }));
}

describe("the queue", () => {
  it("keeps those that have waited long apart, from the second on at which they have", () => {
    const queue = queueOf(waiting("200-1", AGING_SECONDS), waiting("200-2", AGING_SECONDS - 1));
    assert.deepEqual(idsIn(queue), [{ all: ["200-1", "200-2"], aged: ["200-1"] }]);
  });

  it("takes a request without a time for as old as its znode", () => {
    const entry = { ...waiting("200-1", 0, { createdTime: null }), createdAt: NOW - AGING_SECONDS };
    assert.deepEqual(idsIn(queueOf(entry)), [{ all: ["200-1"], aged: ["200-1"] }]);
  });

  it("forgets a request that goes, and its kind with the last one", () => {
    const queue = queueOf(waiting("200-1", AGING_SECONDS), waiting("200-2"));
    queue.remove("200-1");
    assert.deepEqual(idsIn(queue), [{ all: ["200-2"], aged: [] }]);
    queue.remove("200-2");
    assert.deepEqual(idsIn(queue), []);
    assert.equal(queue.kindOf("200-2"), null);
  });

  it("has no place for one that a pool has taken", () => {
    const queue = queueOf(waiting("200-1"));
    assert.equal(queue.kindOf("200-1")?.waiting.items.length, 1);
    queue.update(waiting("200-1"), false, NOW);
    assert.equal(queue.kindOf("200-1"), null);
    assert.deepEqual(idsIn(queue), []);
  });

  it("moves a request to another kind when what it asks for has changed", () => {
    const queue = queueOf(waiting("200-1"), waiting("200-2"));
    queue.update(waiting("200-1", 0, { declinedBy: ["cloud/main"] }), true, NOW);
    assert.deepEqual(idsIn(queue), [
      { all: ["200-2"], aged: [] },
      { all: ["200-1"], aged: [] },
    ]);
  });

  it("tells those of a lease or for min-ready from Zuul's, whose nodes are handed over otherwise", () => {
    const lease = encodeOwnData({ lease: { duration: 60, expires: NOW + 60 } });
    const minReady = encodeOwnData({ minReady: true });
    const others = [lease, minReady].map((requestorData, at) => waiting(`200-${at}`, 0, { requestorData }));
    for (const other of others) assert.equal(idsIn(queueOf(waiting("200-9"), other)).length, 2, other.id);
  });

  it("names the first of those before a request, of all kinds in one order", () => {
    const large = { nodeTypes: ["large"] };
    const last = waiting("200-5");
    const queue = queueOf(
      last,
      waiting("200-1"),
      waiting("200-2", 0, large),
      waiting("200-3"),
      waiting("200-6"),
    );
    assert.deepEqual(queue.before(last, 2), { count: 3, first: ["200-1", "200-2"] });
    assert.deepEqual(queue.before(last, 9), { count: 3, first: ["200-1", "200-2", "200-3"] });
  });
});

describe("the min-ready requests under way", () => {
  const asked = (id: string, more: Partial<RequestRecord> = {}) =>
    waiting(id, 0, { requestor: MIN_READY_REQUESTOR, ...more });
  const ours = { requestorData: encodeOwnData({ minReady: true }) };

  it("count for their label until they are gone", () => {
    const queue = queueOf(asked("900-1"), asked("900-2"), waiting("200-1"));
    assert.equal(queue.comingOf("small"), 2);
    queue.remove("900-1");
    assert.deepEqual([...queue.comingFor("small")], ["900-2"]);
    queue.remove("900-2");
    assert.deepEqual([...queue.comingLabels()], []);
  });

  it("count no more once they have failed, but for ours, which are settled first", () => {
    const failed = { state: "failed" } as const;
    const queue = queueOf(asked("900-1", failed), asked("900-2", { ...failed, ...ours }));
    assert.deepEqual([...queue.comingFor("small")], ["900-2"]);
  });
});
