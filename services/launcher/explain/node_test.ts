import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, FOUND, host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
import {
  launch,
  NOW,
  node,
  otherPool,
  pool,
  request,
  type Scene,
  tell,
  world,
} from "../../../test/harness/world.ts";
import { Random } from "../../../test/simulation/random.ts";
import type { HostStatus } from "../actions.ts";
import { decide } from "../decide.ts";
import { encodeMemory } from "../host/memory.ts";
import { encodeNodeLease, withHoldWish } from "../request/own_data.ts";
import { explainNode, type Lost } from "./node.ts";

/** What is told of the first node of a scene. */
function explained(scene: Scene, lost?: Lost) {
  const seen = world(scene);
  const [entry] = seen.tree.nodes();
  assert.ok(entry);
  // A decision takes in what is known of hosts.
  decide(seen);
  return explainNode({ world: seen }, entry, lost);
}

const summary = (scene: Scene) => explained(scene).summary;

describe("the time at which age ends a node", () => {
  /** Why the only node is deleted at a time. */
  function endAt(scene: Scene, now: number): string | undefined {
    const unlocked = (scene.nodes ?? []).map((one) => ({ ...one, lock: { exists: false, contenders: [] } }));
    const { actions } = decide({ ...world({ ...scene, nodes: unlocked }), now });
    return actions.map(tell).find((action) => action.startsWith("delete"));
  }

  function randomScene(random: Random): Scene {
    const held = random.chance(0.5);
    const only = node("0001", held ? "hold" : "ready", {
      provider: random.pick(["cloud", "cloud", "cloud", "elsewhere"]),
      type: random.pick([["small"], ["small", "large"]]),
      stateTime: NOW - random.pick([10.4, 99.6, 300]),
      holdExpiration: held ? random.pick([null, 0, -5, 60, 150.5]) : null,
      locked: random.chance(0.3),
    });
    return {
      nodes: [only],
      maxHoldAge: random.pick([Infinity, 120]),
      labels: {
        small: { maxReadyAge: random.pick([0, 50, 200]) },
        large: { maxReadyAge: random.pick([0, 90]) },
      },
    };
  }

  it("is when it is deleted, in 300 random worlds", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const scene = randomScene(new Random(seed));
      const claims = explained(scene).facts.filter((fact) => fact.includes("ends it"));
      const place = `seed ${seed}: ${claims.join("; ")}`;
      assert.ok(claims.length <= 1, `${place}: only the first limit ends it`);
      const [claim] = claims;
      if (claim === undefined) {
        assert.equal(endAt(scene, NOW + 1_000_000), undefined, place);
        continue;
      }
      const [, text = "0"] = /in (\d+) s/.exec(claim) ?? [];
      assert.ok(endAt(scene, NOW + Number(text)), place);
      if (text !== "0") assert.equal(endAt(scene, NOW + Number(text) - 1), undefined, place);
      assert.equal(claim.includes("locked"), (scene.nodes?.[0]?.lock.contenders.length ?? 0) > 0, place);
    }
  });
});

describe("the summary of a node", () => {
  const served = pool("cloud/main", ["small"]);

  it("says who serves its provider, if anybody", () => {
    const nodes = (provider: string | null) => [node("0001", "used", { provider })];
    assert.equal(summary({ nodes: nodes("cloud") }), "it waits for its deletion");
    assert.equal(summary({ nodes: nodes("bare"), poolless: ["bare"] }), "it waits for its deletion");
    assert.equal(
      summary({ nodes: nodes("b"), others: [otherPool("b/main", ["small"])] }),
      "it waits for its deletion; another launcher serves provider 'b'",
    );
    assert.equal(
      summary({ nodes: nodes("gone") }),
      "it waits for its deletion; no launcher serves provider 'gone': put it back into a configuration, or forget its records with nodepool erase gone",
    );
    assert.equal(summary({ nodes: nodes(null) }), "it waits for its deletion; it names no provider");
    const nowhere = explained({ nodes: [node("0001", "used", { provider: null, pool: null })] });
    assert.ok(nowhere.facts.includes("it has been used for 100 s"));
    const held = summary({ nodes: [node("0001", "hold", { provider: "gone", comment: "look" })] });
    assert.match(held, /^it is held: look; no launcher serves provider 'gone'/);
  });

  it("comes with how long it has been so, and whether its request is still there", () => {
    const held = node("0001", "hold", { allocatedTo: "200-1" });
    assert.deepEqual(explained({ nodes: [held] }).facts, [
      "it has been held for 100 s in cloud/main",
      "it is allocated to request 200-1, which is gone",
    ]);
    const used = node("0001", "in-use", { allocatedTo: "200-1", stateTime: NOW + 5 });
    const requests = [request("200-1", { state: "fulfilled", nodes: ["0001"] })];
    assert.deepEqual(explained({ nodes: [used], requests }).facts, [
      "it has been in use for 0 s in cloud/main",
      "it is allocated to request 200-1",
    ]);
  });

  it("is not that a locked node is there for a request", () => {
    assert.equal(summary({ nodes: [node("0001", "ready")] }), "it is ready for a request");
    assert.equal(
      summary({ nodes: [node("0001", "ready", { locked: true })] }),
      "it is ready, but no request gets it while it is locked",
    );
  });

  it("is not that it is launched when its launch is over", () => {
    const told = (status: "launching" | "failed" | "aborted") => {
      const launches = new Map([launch("0001", served, { status, reason: "no host" })]);
      const nodes = [node("0001", "building", { locked: true })];
      return explained({ pools: [served], nodes, hand: { launches } });
    };
    assert.equal(told("launching").summary, "this launcher launches it");
    assert.equal(told("failed").summary, "its launch has failed: no host");
    assert.equal(told("aborted").summary, "its launch was given up: no host");
  });

  it("is that its instance was not found, and what becomes of it then", () => {
    const told = (more: { locked?: boolean }, stopped = "") => {
      const nodes = [node("0001", "ready", more)];
      return explained({ nodes }, { at: NOW - 7, stopped }).facts.at(-1);
    };
    const found = "the look at its provider 7 s ago found its instance gone or not running";
    assert.equal(told({}), `${found}; it goes when the next one finds that too`);
    assert.equal(told({ locked: true }), `${found}; it stays while it is locked`);
    assert.equal(told({}, "the brake is on"), `${found}; the brake is on`);
  });
});

describe("what is told of a node beside its state", () => {
  const facts = (scene: Scene) => explained(scene).facts.slice(1);

  it("is who has it", () => {
    const userData = encodeNodeLease({ request: "200-1", contender: "00ff" });
    assert.deepEqual(facts({ nodes: [node("0001", "in-use", { locked: true, userData })] }), [
      "the lease of request 200-1 holds it",
    ]);
    assert.deepEqual(facts({ nodes: [node("0001", "in-use", { locked: true })] }), [
      "it is locked by who uses it or works on it",
    ]);
    assert.equal(
      summary({ nodes: [node("0001", "ready", { allocatedTo: "200-1" })] }),
      "it waits for its requester",
    );
  });

  it("is that it is to be held, as its record says or this launcher knows", () => {
    const fact = ["it is held when it is returned"];
    const wish = { reason: "look", expireSeconds: 0 };
    const { record } = node("0001", "in-use");
    assert.ok(record);
    assert.deepEqual(
      facts({ nodes: [{ ...node("0001", "in-use"), record: withHoldWish(record, wish) }] }),
      fact,
    );
    assert.deepEqual(
      facts({ nodes: [node("0001", "in-use")], hand: { holdWishes: new Map([["0001", wish]]) } }),
      fact,
    );
  });

  it("is what this launcher does about it, and when it tries again", () => {
    const served = pool("cloud/main", ["small"]);
    const pools = [served];
    const nodes = [node("0001", "building")];
    const told = (reason: string) =>
      facts({ pools, nodes, hand: { launches: new Map([launch("0001", served, { reason })]) } });
    assert.deepEqual(told(""), ["this launcher's launch of it: launching"]);
    assert.deepEqual(told("no host"), ["this launcher's launch of it: launching: no host"]);
    const retryAt = (key: string) => (key === "node:0001" ? NOW + 1.5 : null);
    assert.deepEqual(facts({ nodes, hand: { retryAt } }), ["something about it failed; next try in 2 s"]);
  });

  it("is who launches it, and whether its deletion has begun", () => {
    const building = (locked: boolean) => summary({ nodes: [node("0001", "building", { locked })] });
    assert.equal(building(true), "another launcher launches it");
    assert.equal(building(false), "nobody launches it");
    const nodes = [node("0001", "deleting")];
    assert.equal(summary({ nodes }), "it waits for its deletion");
    const deletions = new Set(["0001"]);
    assert.equal(summary({ nodes, hand: { deletions } }), "it is being deleted at its provider");
  });

  it("is its host, with its last check and the suspicious runs there", () => {
    const one = host({ slots: 2 });
    const served = hostPool("lab/main", [one]);
    const driverData = encodeMemory({
      suspicions: [{ time: NOW - 30, job: "zuul acme", reason: "disk full" }],
      trustedSince: 0,
    });
    const told = (status: HostStatus) =>
      facts({
        pools: [served],
        nodes: [slotNode("0001", "ready", 1, { driverData })],
        hand: knowing(status),
      });
    const [slot, suspicion] = [
      "it is slot 1 of host zuul@h:22, which has 2 slots",
      "a suspicious run 30 s ago, of zuul acme: disk full",
    ];
    assert.deepEqual(told(checked(one, FOUND, { ago: 7 })), [
      slot,
      "this launcher checked the host 7 s ago: it passed",
      suspicion,
    ]);
    assert.deepEqual(told(checked(one, "it is down", { checkingSince: NOW })), [
      slot,
      "this launcher checked the host 0 s ago: it is down",
      "the host is being checked",
      suspicion,
    ]);
  });

  it("is why its document cannot be read, alone", () => {
    const broken = { ...node("0001", "ready"), record: null, problem: "it is no JSON" };
    assert.deepEqual(explained({ nodes: [broken] }), {
      summary: "it is no JSON",
      pools: [],
      before: null,
      facts: [],
    });
  });
});
