import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { otherPool, pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { decide } from "../decide.ts";
import { unservedPools } from "../pool/unserved.ts";
import { explainLabel } from "./label.ts";
import { explainRequest } from "./request.ts";

const far = pool("far/main", ["small", "large"]);
const unserved = unservedPools({ providers: [far.provider] }, [
  { name: "far", problem: "no route", retryable: false },
]);
const told = {
  pool: "far/main",
  verdict: "not-offered",
  rule: "",
  reason: "far/main: its provider cannot be used here: no route",
  remedy: "the provider has to answer, or its settings have to be mended; see nodepool providers",
};

function decided(scene: Scene) {
  const seen = world({ pools: [], labels: { small: {} }, unserved, ...scene });
  return { world: seen, decision: decide(seen) };
}

describe("a pool of a provider that cannot be used", () => {
  it("is told with the reason, of its labels and of requests for them", () => {
    const { pools, facts } = explainLabel(decided({}), "small") ?? {};
    assert.deepEqual(pools, [told]);
    assert.deepEqual(facts, ["0 ready, 0 on their way, min-ready is 0"]);
    const asked = (...nodeTypes: string[]) => {
      const given = decided({ requests: [request("200-1", { nodeTypes, state: "failed" })] });
      const [entry] = given.world.tree.requests();
      assert.ok(entry);
      return explainRequest(given, entry).pools;
    };
    assert.deepEqual(asked("small", "large"), [
      { ...told, remedy: `${told.remedy}; then ask again with a new request` },
    ]);
    assert.deepEqual(asked("small", "huge"), []);
  });

  it("is told as any other where another launcher serves it", () => {
    const others = [otherPool("far/main", ["small"])];
    const pools = explainLabel(decided({ others }), "small")?.pools;
    assert.deepEqual(
      pools?.map(({ pool, verdict }) => [pool, verdict]),
      [["far/main", "elsewhere"]],
    );
  });
});
