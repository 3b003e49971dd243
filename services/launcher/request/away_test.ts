// What becomes of requests and nodes whose launcher is away, at a launcher that cannot stand in for it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decideIn,
  NOW,
  node,
  otherPool,
  pool,
  request,
  type Scene,
  world,
} from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { explainLabel } from "../explain/label.ts";
import { explainNode } from "../explain/node.ts";
import { explainRequest } from "../explain/request.ts";
import { AWAY_SECONDS, type AwayPool } from "../pool/away.ts";

const SINCE = NOW - 100;
const END = SINCE + AWAY_SECONDS;
const away = (place: string, labels: string[], more: Partial<AwayPool> = {}): AwayPool => {
  return { id: `old ${place}`, pool: place, labels, hostname: "there", since: SINCE, ...more };
};
const beta = away("beta/main", ["large", "huge"]);
const over = { ...beta, since: NOW - AWAY_SECONDS };
const LONG = `beta/main: its launcher has been away since 1970-01-01T02:41:40Z`;
const WAITS = `beta/main: its launcher has been away since 1970-01-01T02:45:00Z, and is waited for until 1970-01-01T02:50:00Z`;
const small = pool("cloud/main", ["small"]);
const scene = { pools: [small], hand: { away: [beta] } };
const actionsIn = (one: Scene) => decideIn(one).actions;
const decided = (one: Scene) => {
  const seen = world(one);
  return { world: seen, decision: decide(seen) };
};
const large = request("200-1", { nodeTypes: ["large"] });

describe("a request that only a launcher which is away can serve", () => {
  it("waits for it with the reason, and fails with that when it has stayed away", () => {
    const old = request("200-1", { nodeTypes: ["large"], createdTime: SINCE });
    const { actions, reasons, wakeAt } = decideIn({ ...scene, requests: [old] });
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": WAITS });
    assert.equal(wakeAt, END);
    assert.deepEqual(actionsIn({ ...scene, hand: { away: [over] }, requests: [large] }), [
      `fail 200-1: no pool offers 'large'; offered are: small; ${LONG}`,
    ]);
  });

  it("waits also when all pools that are there have declined, but for none that has declined it itself", () => {
    const pair = { nodeTypes: ["small", "small"], declinedBy: ["cloud/main"] };
    const both = { hand: { away: [away("beta/main", ["small"])] }, requests: [request("200-1", pair)] };
    assert.deepEqual(decideIn({ ...both, pools: [small] }).reasons, { "200-1": WAITS });
    const declined = { nodeTypes: ["large"], declinedBy: ["old beta/main"] };
    assert.match(
      actionsIn({ ...scene, requests: [request("200-1", declined)] }).join(),
      /^fail 200-1: no pool/,
    );
  });

  it("is declined, and not failed, by a pool in which it could never fit", () => {
    const tight = pool("cloud/main", ["small"], { maxServers: 1 });
    const pair = request("200-1", { nodeTypes: ["small", "small"] });
    const hand = { away: [away("beta/main", ["small"])] };
    assert.match(actionsIn({ pools: [tight], hand, requests: [pair] }).join(), /^decline 200-1: /);
  });

  it("fails at once when that offered not all its labels, or its pool is served by another, or was taken out here", () => {
    const failed = (one: Scene) => actionsIn({ ...scene, requests: [large], ...one }).join();
    assert.match(failed({ requests: [request("200-1", { nodeTypes: ["large", "other"] })] }), /^fail/);
    assert.match(failed({ hand: { away: [beta], retired: new Set(["beta/main"]) } }), /^fail/);
    const declined = [request("200-1", { nodeTypes: ["large"], declinedBy: ["other beta/main"] })];
    assert.match(failed({ others: [otherPool("beta/main", ["large"])], requests: declined }), /^fail/);
  });

  it("is served by those that can, as if nobody were away", () => {
    assert.deepEqual(actionsIn({ hand: { away: [beta] }, requests: [large] }), [
      "serve 200-1 at cloud/main with new",
    ]);
    const others = [otherPool("gamma/main", ["large"])];
    assert.deepEqual(decideIn({ ...scene, others, requests: [large] }).reasons, {
      "200-1": "waits for gamma/main of another launcher",
    });
  });
});

describe("a request that a launcher which is away had in hand", () => {
  const place = { provider: "beta", type: ["large"], allocatedTo: "200-1" } as const;
  const nodes = [node("0001", "building", place)];
  const requests = [request("200-1", { nodeTypes: ["large"], state: "pending" })];

  it("is left to it while nobody else could serve it, and begins anew after that", () => {
    const { actions, reasons } = decideIn({ ...scene, nodes, requests });
    assert.deepEqual(actions, []);
    assert.deepEqual(reasons, { "200-1": WAITS });
    assert.deepEqual(actionsIn({ ...scene, hand: { away: [over] }, nodes, requests }), ["reset 200-1"]);
    assert.deepEqual(
      actionsIn({ ...scene, hand: { away: [away("beta/other", ["large"])] }, nodes, requests }),
      ["reset 200-1"],
    );
  });

  it("is left to it also where we serve the same pool without its label", () => {
    const here = { ...scene, hand: { away: [away("cloud/main", ["large"])] }, requests };
    const ours = [node("0001", "building", { ...place, provider: "cloud", externalId: "one" })];
    assert.deepEqual(actionsIn({ ...here, nodes: ours }), []);
    assert.deepEqual(actionsIn({ ...here, pools: [pool("cloud/main", ["large"])], nodes: ours }), [
      "adopt 200-1 at cloud/main",
    ]);
  });

  it("begins anew at once where another pool that has not declined it can serve it", () => {
    const others = [otherPool("gamma/main", ["large"])];
    assert.deepEqual(actionsIn({ ...scene, others, nodes, requests }), ["reset 200-1"]);
    const declined = [request("200-1", { ...requests[0]?.record, declinedBy: ["other gamma/main"] })];
    assert.deepEqual(actionsIn({ ...scene, others, nodes, requests: declined }), []);
  });

  it("is declined, and not failed, by a launcher that cannot go on with it", () => {
    const held = { hand: { away: [beta], requests: new Map([["200-1", { pool: small }]]) } };
    assert.match(actionsIn({ ...scene, ...held, requests }).join(), /^give up 200-1 for .*pool$/);
    const gone = { hand: { ...held.hand, away: [over] } };
    assert.match(actionsIn({ ...scene, ...gone, requests }).join(), /^give up 200-1 for .*, failed$/);
  });
});

describe("a ready node whose label only a launcher which is away offers", () => {
  const nodes = [node("0001", "ready", { type: ["large"] }), node("0002", "testing", { type: ["large"] })];
  const left = (gone: AwayPool) => decideIn({ pools: [small], hand: { away: [gone] }, nodes });

  it("stays while that is waited for", () => {
    const { actions, wakeAt } = left(away("cloud/main", ["large"]));
    assert.deepEqual(actions, []);
    assert.equal(wakeAt, END);
  });

  it("is said to be kept, and until when", () => {
    const [ready, slot] = nodes;
    assert.ok(ready && slot);
    const hand = { away: [away("cloud/main", ["large"])] };
    const seen = decided({ pools: [small], hand, nodes });
    const kept = `nobody else offers its labels, and it is kept: ${WAITS.replace("beta", "cloud")}`;
    for (const one of [ready, slot]) assert.ok(explainNode(seen, one).facts.includes(kept));
    const offered = decided({ pools: [small], others: [otherPool("cloud/main", ["large"])], hand, nodes });
    assert.ok(!explainNode(offered, ready).facts.includes(kept));
    const used = node("0003", "in-use", { type: ["large"], locked: true });
    assert.ok(!explainNode(seen, used).facts.includes(kept));
  });

  it("goes when that has stayed away, offered something else or in another pool, or we took the pool out", () => {
    const gone = [
      away("cloud/main", ["large"], { since: NOW - AWAY_SECONDS }),
      away("cloud/main", ["huge"]),
      away("cloud/more", ["large"]),
    ];
    const out = "no pool offers any of its labels any more";
    const taken = {
      ...{ pools: [], poolless: ["cloud"], nodes },
      hand: { away: [away("cloud/main", ["large"])], retired: new Set(["cloud/main"]) },
    };
    assert.deepEqual(actionsIn(taken), [`delete 0001: ${out}`, `delete 0002: ${out}`]);
    for (const one of gone)
      assert.deepEqual(left(one).actions, [`delete 0001: ${out}`, `delete 0002: ${out}`]);
  });
});

describe("what explain says of a launcher that is away", () => {
  it("is since when, until when it is waited for, and what to do, of requests and labels", () => {
    const told = {
      ...{ pool: "beta/main", verdict: "not-offered", rule: "", reason: WAITS },
      remedy: "start the launcher on there that serves it",
    };
    const seen = decided({ ...scene, requests: [large] });
    const { summary, pools } = explainRequest(seen, large);
    assert.equal(summary, WAITS);
    assert.deepEqual(
      pools.filter((one) => one.pool === "beta/main"),
      [told],
    );
    assert.deepEqual(explainLabel(seen, "large")?.pools, [told]);
    const failed = request("200-1", { nodeTypes: ["large"], state: "failed" });
    const later = explainRequest(decided({ ...scene, hand: { away: [over] }, requests: [failed] }), failed);
    assert.deepEqual(
      later.pools.filter((one) => one.pool === "beta/main"),
      [{ ...told, reason: LONG, remedy: `${told.remedy}; then ask again with a new request` }],
    );
    assert.equal(explainLabel(decided({ pools: [small] }), "large"), null);
  });
});
