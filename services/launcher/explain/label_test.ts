import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { host, hostPool } from "../../../test/harness/host_world.ts";
import { NOW, node, otherPool, pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { explainLabel } from "./label.ts";

const labels = { small: { minReady: 2 } };

function summary(scene: Scene): string | undefined {
  const seen = world({ labels, ...scene });
  return explainLabel({ world: seen, decision: decide(seen) }, "small")?.summary;
}

/** A pool that was registered before ours and says that it keeps the label. */
const elder = {
  ...otherPool("other/main", ["small"], { extra: { min_ready: { small: 2 } } }),
  znode: "a0000000000",
};

describe("a label that has fewer ready nodes than it is to have", () => {
  it("has more asked for by this launcher, unless something is in the way", () => {
    assert.equal(summary({}), "more are asked for");
    const pools = [pool("cloud/main", ["small"], { maxServers: 1 })];
    const nodes = [node("0001", "in-use", { locked: true })];
    assert.equal(summary({ pools, nodes }), "cloud/main: max-servers is 1, in use 1, needed 1");
  });

  it("has them asked for by another launcher that keeps it", () => {
    const pools = [pool("first/main", []), pool("cloud/main", ["small"])];
    assert.equal(summary({ pools, others: [elder] }), "more are asked for by the launcher of other/main");
  });

  it("has the time told at which the next is asked for, also when that was decided a while ago", () => {
    const setback = { count: 3, since: NOW, until: NOW + 39.5, reason: "no valid host was found" };
    const seen = world({ labels, hand: { setbacks: new Map([["small", setback]]) } });
    const decision = decide(seen);
    const later = { world: { ...seen, now: NOW + 30 }, decision };
    assert.equal(
      explainLabel(later, "small")?.summary,
      "the last one failed (no valid host was found); the next is asked for at 1970-01-01T02:47:20Z",
    );
  });

  it("has more asked for again where asking has failed", () => {
    const retryAt = (key: string) => (key === "label:small" ? NOW + 1 : null);
    const seen = world({ labels, hand: { retryAt, isBusy: () => true } });
    const { facts } = explainLabel({ world: seen, decision: decide(seen) }, "small") ?? {};
    assert.deepEqual(facts?.slice(1), ["asking for more failed; next try in 1 s"]);
  });

  it("gets none where no open pool offers it", () => {
    const closed = [pool("cloud/main", ["small"], { maxServers: 0 })];
    assert.equal(summary({ pools: closed }), "none is asked for: no open pool offers it");
  });

  it("gets none where its nodes are hosts, which are ready as they are", () => {
    const lab = [hostPool("lab/main", [host()])];
    assert.equal(summary({ pools: lab }), "none is asked for: its nodes are hosts, and none is launched");
  });

  it("may get some of launchers that do not say what they keep", () => {
    const python = otherPool("other/main", ["small"]);
    assert.equal(
      summary({ pools: [pool("cloud/main", ["large"])], others: [python] }),
      "none is asked for here: of other launchers, other/main may keep it ready",
    );
  });

  it("waits in a pool where a request waits for room", () => {
    const two = pool("cloud/main", ["small"], { maxServers: 2 });
    const nodes = [node("0001", "in-use", { locked: true })];
    const requests = [request("200-1", { nodeTypes: ["small", "small"] })];
    const seen = world({ labels, pools: [two], nodes, requests });
    const told = explainLabel({ world: seen, decision: decide(seen) }, "small");
    const reason = "cloud/main: request 200-1 waits for room and goes first";
    assert.equal(told?.summary, reason);
    assert.deepEqual(
      told?.pools.map(({ verdict, rule, reason }) => [verdict, rule, reason]),
      [["waits", "aging", reason]],
    );
  });

  it("gets none where no pool lists it, and one has to", () => {
    const seen = world({ labels, pools: [pool("cloud/main", ["large"])] });
    const { facts } = explainLabel({ world: seen, decision: decide(seen) }, "small") ?? {};
    assert.ok(facts?.includes("no pool offers it: add it to the labels of a pool"));
  });

  it("never gets one in a pool that is switched off or whose limit is too low for one", () => {
    const off = pool("cloud/off", ["small"], { maxServers: 0 });
    const low = pool("cloud/low", ["small"], { maxCores: 1 });
    const seen = world({ labels, pools: [off, low] });
    const { pools } = explainLabel({ world: seen, decision: decide(seen) }, "small") ?? {};
    assert.deepEqual(
      pools?.map(({ verdict, rule }) => [verdict, rule]),
      [
        ["never", "disabled"],
        ["never", "impossible"],
      ],
    );
  });

  it("shows each pool of other launchers that offers it, and whom to ask, but no pool twice that is shared", () => {
    const shared = otherPool("cloud/main", ["small"], { hostname: "second" });
    const others = [otherPool("far/main", ["small"], { hostname: "third" }), shared, otherPool("far/x", [])];
    const seen = world({ labels, pools: [pool("cloud/main", ["small"])], others });
    const { pools } = explainLabel({ world: seen, decision: decide(seen) }, "small") ?? {};
    assert.deepEqual(
      pools?.map(({ pool, verdict, remedy }) => [pool, verdict, remedy]),
      [
        ["cloud/main", "able", ""],
        ["far/main", "elsewhere", "ask the launcher on third"],
      ],
    );
  });
});
