// What of a pool of hosts is kept for a request that has waited long.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked, FOUND, host, hostPool, knowing, slotNode } from "../../../test/harness/host_world.ts";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";

describe("a request for several hosts that has waited long", () => {
  const [one, two] = [host({ username: "one" }), host({ username: "two" })];
  const large = host({ username: "large", labels: ["large"] });
  const pools = [hostPool("lab/main", [one, two])];
  const slot = (id: string, of: typeof one, state: "ready" | "in-use" | "testing") =>
    slotNode(id, state, 0, { username: of.username, type: [...of.labels], locked: state === "in-use" });
  const used = slot("0001", one, "in-use");
  const free = slot("0002", two, "ready");
  const big = (age: number) => request("200-1", { nodeTypes: ["small", "small"], createdTime: NOW - age });
  const small = request("200-2");
  const hand = knowing(checked(one), checked(two));
  const decided = (scene: Scene) => decideIn({ pools, nodes: [used, free], hand, ...scene });

  it("is kept what is free of what it needs, while the rest is in use", () => {
    assert.deepEqual(decided({ requests: [big(59), small] }).actions, ["serve 200-2 at lab/main with 0002"]);
    const { actions, reasons } = decided({ requests: [big(61), small] });
    assert.deepEqual(actions, []);
    const few = "lab/main: too few free slots for label 'small'";
    assert.deepEqual(reasons, {
      "200-1": `${few}: 1 busy, 1 free`,
      "200-2": `${few}: 1 busy, 1 kept for a request that has waited long`,
    });
  });

  it("is kept it, too, while a host of it is checked", () => {
    const nodes = [slot("0001", one, "ready"), free];
    const stale = knowing(checked(one, FOUND, { ago: 10 }), checked(two));
    assert.deepEqual(decided({ nodes, hand: stale, requests: [big(61), small] }).actions, [
      "check lab/one@h:22",
    ]);
  });

  it("is kept nothing while it lacks a host that is out of service", () => {
    const nodes = [slot("0001", one, "testing"), free];
    const down = knowing(checked(one, "it is down"), checked(two));
    assert.ok(
      decided({ nodes, hand: down, requests: [big(61), small] }).actions.includes(
        "serve 200-2 at lab/main with 0002",
      ),
    );
  });

  it("is kept nothing that it does not need", () => {
    const mixed = [hostPool("lab/main", [one, two, large])];
    const nodes = [used, free, slot("0003", large, "ready")];
    const all = knowing(checked(one), checked(two), checked(large));
    const other = request("200-2", { nodeTypes: ["large"] });
    assert.deepEqual(decided({ pools: mixed, nodes, hand: all, requests: [big(61), other] }).actions, [
      "serve 200-2 at lab/main with 0003",
    ]);
  });

  it("is kept what an older one leaves of it", () => {
    const third = host({ username: "three" });
    const wide = [hostPool("lab/main", [one, two, third])];
    const nodes = [used, free, slot("0003", third, "ready")];
    const all = knowing(checked(one), checked(two), checked(third));
    const first = request("100-1", { nodeTypes: ["small", "small", "small"], createdTime: NOW - 61 });
    const { actions } = decided({ pools: wide, nodes, hand: all, requests: [first, big(61), small] });
    assert.deepEqual(actions, []);
  });
});
