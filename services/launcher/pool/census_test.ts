import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { launch, NOW, node, pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { Census, type ReadableNode } from "./census.ts";

const served = pool("cloud/main", ["small", "large"]);
const idOf = (found: ReadableNode | null | undefined) => found?.id ?? null;

function censusOf(scene: Scene): Census {
  const { index } = world({ pools: [served], ...scene });
  index.prepare(NOW);
  return new Census(index);
}

/** Free nodes that became ready in this order. */
const free = (...ids: readonly string[]) => ids.map((id) => node(id, "ready", { stateTime: NOW - 50 }));

describe("the free nodes of a pool", () => {
  const take = (census: Census, ...ids: readonly string[]) => {
    for (const found of [...census.freeOf(served, "small")])
      if (ids.includes(found.id)) census.take(found, null);
  };

  it("are given by their ids, each once, however many have gone before", () => {
    const census = censusOf({ nodes: free("0003", "0001", "0004", "0002") });
    const order = () => census.pick(served, { labels: ["small", "small"], zone: null }).map(idOf);
    assert.deepEqual(order(), ["0001", "0002"]);
    assert.equal(idOf(census.oldestFree(served, new Set())), "0001");
    take(census, "0001");
    assert.deepEqual(order(), ["0002", "0003"]);
    take(census, "0003");
    assert.deepEqual(order(), ["0002", "0004"]);
    take(census, "0002");
    assert.deepEqual(order(), ["0004", null]);
    assert.equal(idOf(census.oldestFree(served, new Set())), "0004");
    take(census, "0004");
    assert.deepEqual([order(), idOf(census.oldestFree(served, new Set()))], [[null, null], null]);
  });

  it("do not go to make room when they are needed or planned for", () => {
    const census = censusOf({ nodes: free("0001", "0002", "0003") });
    assert.equal(idOf(census.oldestFree(served, new Set(["0001"]))), "0002");
    take(census, "0002");
    assert.equal(idOf(census.oldestFree(served, new Set(["0001"]))), "0003");
  });

  it("are all of one zone, that of the first where none is asked for", () => {
    const zones = { "0001": "b", "0002": "a", "0003": "b", "0004": "a" };
    const nodes = Object.entries(zones).map(([id, az]) => node(id, "ready", { az }));
    const inZone = (zone: string | null) =>
      censusOf({ nodes })
        .pick(served, { labels: ["small", "small"], zone })
        .map(idOf);
    assert.deepEqual(
      [inZone(null), inZone("a"), inZone("c")],
      [
        ["0001", "0003"],
        ["0002", "0004"],
        [null, null],
      ],
    );
  });
});

describe("the nodes of a request", () => {
  it("are those that are recorded as its own, and not what is only being launched for it", () => {
    const nodes = [
      node("0001", "ready", { allocatedTo: "200-1" }),
      node("0002", "building", { locked: true }),
    ];
    const hand = { launches: new Map([launch("0002", served, { request: "200-1" })]) };
    const census = censusOf({
      nodes,
      hand,
      requests: [request("200-1", { state: "pending", locked: true })],
    });
    assert.deepEqual(census.nodesOf("200-1").map(idOf), ["0001"]);
  });
});

describe("the share of a tenant that is kept", () => {
  it("is that of the first request", () => {
    const census = censusOf({});
    assert.equal(census.shareOf("acme"), undefined);
    census.keepShare("acme", "200-1", { instances: 1 });
    census.keepShare("acme", "200-2", { instances: 5 });
    assert.deepEqual(census.shareOf("acme"), { request: "200-1", amounts: { instances: 1 } });
  });
});

describe("nodes make room", () => {
  it("from whichever state they leave, for five minutes after the last has set out", () => {
    for (const state of ["used", "deleting", "deleted", "failed", "aborted"] as const) {
      const nodes = [20, 40].map((age, at) =>
        node(`000${at}`, state, { stateTime: NOW - age, locked: true }),
      );
      assert.equal(censusOf({ nodes }).makesRoomUntil(served), NOW - 20 + 300, state);
    }
  });

  it("never while all of them stay", () => {
    const nodes = [node("0001", "in-use", { locked: true }), node("0002", "hold"), ...free("0003")];
    assert.equal(censusOf({ nodes }).makesRoomUntil(served), -Infinity);
  });

  it("surely when one is about to be deleted", () => {
    const census = censusOf({ nodes: free("0001") });
    const [first] = [...census.freeOf(served, "small")];
    assert.ok(first !== undefined);
    census.evict(served, first);
    assert.equal(census.makesRoomUntil(served), Infinity);
    assert.equal(census.makesRoomUntil(pool("cloud/other", [])), -Infinity);
  });
});
