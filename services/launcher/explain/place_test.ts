// The place in the queue that explain tells is the order in which requests are served when room comes bit by bit.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { node, pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { Random } from "../../../test/simulation/random.ts";
import { decide } from "../decide.ts";
import { encodeOwnData } from "../request/own_data.ts";
import { explainRequest } from "./request.ts";

const main = pool("cloud/main", ["small", "large"], { maxServers: 8 });
const LEASE = encodeOwnData({ lease: { duration: 60, expires: 20_000 } });

/** Requests for one node each, in a pool that is full; some are in hand already and have lost their node. */
function randomScene(random: Random): Scene {
  const held = new Map<string, { pool: typeof main }>();
  const requests = Array.from({ length: 8 }, (_, at) => {
    const id = `${random.pick(["100", "200"])}-000000000${at}`;
    const isHeld = random.chance(0.2);
    if (isHeld) held.set(id, { pool: main });
    return request(id, {
      nodeTypes: [random.pick(["small", "large"])],
      relativePriority: random.below(3),
      tenantName: random.pick([null, "acme"]),
      requestorData: random.pick([null, LEASE]),
      reuse: random.chance(0.7),
      ...(isHeld ? { state: "pending" as const, locked: true } : {}),
    });
  });
  const nodes = requests.map((_, at) => node(`000${at}`, "in-use", { locked: true }));
  return { pools: [main], nodes, requests, hand: { requests: held } };
}

/** How many requests go before each one that waits, and which are named. */
function placesIn(scene: Scene) {
  const seen = world(scene);
  const decided = { world: seen, decision: decide(seen) };
  return [...seen.tree.requests()].flatMap((entry) => {
    const { before } = explainRequest(decided, entry);
    return before === null ? [] : [{ id: entry.id, ...before }];
  });
}

/** The request that gets the room of one node that goes. */
function servedNext({ nodes = [], ...scene }: Scene): string | undefined {
  const { actions } = decide(world({ ...scene, nodes: nodes.slice(1) }));
  const served = actions.flatMap((action) =>
    action.kind === "serve" || action.kind === "supplement" ? [action.request] : [],
  );
  assert.ok(served.length <= 1);
  return served[0];
}

describe("the requests that are told to go before another one", () => {
  it("are served before it when room comes bit by bit", () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      let scene = randomScene(new Random(seed));
      const told = placesIn(scene);
      const order: string[] = [];
      for (let next = servedNext(scene); next !== undefined; next = servedNext(scene)) {
        order.push(next);
        scene = { ...scene, requests: (scene.requests ?? []).filter(({ id }) => id !== next) };
      }
      assert.equal(order.length, 8);
      for (const { id, count, first } of told) {
        assert.equal(count, order.indexOf(id), `seed ${seed}: ${id} in ${order}`);
        assert.deepEqual(first, order.slice(0, Math.min(5, count)), `seed ${seed}: ${id}`);
      }
    }
  });
});
