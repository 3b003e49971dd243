// One bad item never stops the others: not where its record, or what is asked about it, throws.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeState } from "../../lib/model/node.ts";
import { MIN_READY_REQUESTOR } from "../../lib/model/request.ts";
import { checked, host, hostPool, knowing, slotNode } from "../../test/harness/host_world.ts";
import { launch, NOW, node, pool, request, tell, world } from "../../test/harness/world.ts";
import { type Decision, Draft, type World } from "./actions.ts";
import { decide, reasonOf } from "./decide.ts";
import { explainLabel } from "./explain/label.ts";
import { explainNode } from "./explain/node.ts";
import { explainRequest } from "./explain/request.ts";
import { encodeOwnData } from "./request/own_data.ts";
import { AGAIN_SECONDS, decideOne } from "./undecided.ts";

const REASON = "it cannot be decided because of an error: poison";

/** The entry with a record of which one field cannot be read, while it is `bad`. */
function poisoned<T extends { readonly record: object | null }>(
  entry: T,
  field: string,
  state = { bad: true },
): T {
  const record = new Proxy(entry.record ?? {}, {
    get: (target, key) => {
      if (state.bad && key === field) throw new Error("poison");
      return Reflect.get(target, key);
    },
  });
  return { ...entry, record };
}

/** By these it is sorted among the others: there is no deciding about them without. */
const ORDER = new Set(["relativePriority", "stateTime"]);
const fieldsOf = ({ record }: { readonly record: object | null }) =>
  Object.keys(record ?? {}).filter((field) => !ORDER.has(field));
const told = ({ actions }: Pick<Decision, "actions">) => actions.map(tell);
const again = (seen: World, later = 0) => decide({ ...seen, now: NOW + later });

describe("a request of which a field cannot be read", () => {
  for (const field of fieldsOf(request("200-1"))) {
    for (const state of ["requested", "pending"] as const) {
      it(`does not keep another one from being served in the same pass: ${field}, ${state}`, () => {
        const bad = poisoned(request("200-1", { state }), field);
        const seen = world({ requests: [bad, request("200-2", { tenantName: "acme" })] });
        const decision = decide(seen);
        assert.ok(told(decision).includes("serve 200-2 at cloud/main with new"), told(decision).join("; "));
        const isDecided = told(decision).some((action) => action.includes("200-1"));
        const isAside = decision.undecided.has("request:200-1");
        assert.ok(isDecided !== isAside);
        if (isAside) assert.equal(reasonOf(seen, decision, "200-1"), REASON);
      });
    }
  }

  it("says why, and is left alone until it changes", () => {
    const state = { bad: true };
    const bad = poisoned(request("200-1"), "declinedBy", state);
    const seen = world({ requests: [bad], busy: ["request:200-2"] });
    const first = decide(seen);
    assert.deepEqual([...first.undecided.keys()], ["request:200-1"]);
    assert.ok(first.looked.has("200-1"), "who watches it hears of it");
    assert.equal(explainRequest({ world: seen, decision: first }, request("200-1")).summary, REASON);
    const second = again(seen, 1);
    assert.equal(second.undecided.size, 0);
    assert.equal(reasonOf(seen, second, "200-1"), REASON);
    assert.equal(seen.index.undecided.size, 1);
    state.bad = false;
    seen.index.touch("request:200-1");
    assert.deepEqual(told(again(seen, 2)), ["serve 200-1 at cloud/main with new"]);
    assert.equal(seen.index.undecided.size, 0);
  });

  it("is tried again after a while by itself", () => {
    const state = { bad: true };
    const seen = world({ requests: [poisoned(request("200-1"), "provider", state)] });
    assert.equal(decide(seen).wakeAt, NOW + AGAIN_SECONDS);
    state.bad = false;
    assert.deepEqual(told(again(seen, AGAIN_SECONDS - 1)), []);
    assert.deepEqual(told(again(seen, AGAIN_SECONDS)), ["serve 200-1 at cloud/main with new"]);
  });
});

describe("a label whose resources its driver cannot tell", () => {
  const driver = (state = { bad: true }) => {
    const resourcesOf = (label: string) => {
      if (state.bad && label === "large") throw new Error("poison");
      return { instances: 1 };
    };
    return [{ ...pool("cloud/main", ["small", "large"]), resourcesOf }];
  };
  const pools = driver();
  const ownData = encodeOwnData({ minReady: true });

  it("keeps its requests waiting, and no others, also behind them", () => {
    const requests = ["200-1", "200-3"].map((id) => request(id, { nodeTypes: ["large"] }));
    const seen = world({ pools, requests: [...requests, request("200-2"), request("200-4")] });
    const decision = decide(seen);
    const served = ["200-2", "200-4"].map((id) => `serve ${id} at cloud/main with new`);
    assert.deepEqual(told(decision), served);
    for (const { id } of requests) assert.equal(reasonOf(seen, decision, id), REASON);
    assert.equal(again(seen, 1).undecided.size, 0, "they are left alone");
  });

  it("keeps a request in hand waiting, and not those behind it", () => {
    const requests = [
      request("200-1", { nodeTypes: ["large"], state: "pending", locked: true }),
      request("200-2"),
    ];
    const [first] = pools;
    assert.ok(first);
    const seen = world({ pools, requests, hand: { requests: new Map([["200-1", { pool: first }]]) } });
    const decision = decide(seen);
    assert.deepEqual(told(decision), ["serve 200-2 at cloud/main with new"]);
    assert.equal(reasonOf(seen, decision, "200-1"), REASON);
  });

  it("is asked for once, though deciding about what was asked for throws", () => {
    const state = { bad: true };
    const asked = { requestor: MIN_READY_REQUESTOR, requestorData: ownData, nodeTypes: ["large"] };
    const seen = world({
      pools: driver(state),
      labels: { large: { minReady: 1 } },
      requests: [request("100-1", asked)],
    });
    assert.deepEqual([...decide(seen).undecided.keys()], ["request:100-1"]);
    state.bad = false;
    assert.deepEqual(told(again(seen, 1)), []);
  });

  it("is asked for by no min-ready, and others are", () => {
    const labels = { large: { minReady: 1 }, small: { minReady: 1 } };
    const seen = world({ pools, labels });
    for (const later of [0, 1]) {
      const decision = again(seen, later);
      assert.equal(decision.undecided.has("label:large"), later === 0);
      assert.deepEqual(told(decision), ["ask for 1 small"]);
      assert.equal(decision.labelReasons.get("large"), REASON);
    }
    const after = (seconds: number) => again(seen, seconds).undecided.has("label:large");
    assert.ok(!after(AGAIN_SECONDS - 1) && after(AGAIN_SECONDS));
    seen.index.touchAll();
    assert.ok(after(AGAIN_SECONDS + 1), "and when everything is decided about anew");
  });
});

describe("a node of which a field cannot be read", () => {
  for (const field of fieldsOf(node("0001", "used"))) {
    for (const state of ["used", "in-use", "building", "hold", "testing"] satisfies NodeState[]) {
      it(`does not keep others from being deleted and served: ${field}, ${state}`, () => {
        const bad = poisoned(node("0001", state), field);
        const seen = world({ nodes: [bad, node("0002", "used")], requests: [request("200-1")] });
        const decision = decide(seen);
        const others = told(decision).filter((action) => !action.includes("0001"));
        assert.deepEqual(others, ["serve 200-1 at cloud/main with new", "delete 0002: was returned"]);
        const fact = `${REASON}; next try in ${AGAIN_SECONDS} s`;
        if (!decision.undecided.has("node:0001")) return;
        const { facts } = explainNode({ world: seen }, node("0001", state));
        assert.ok(facts.includes(fact), facts.join("; "));
      });
    }
  }
});

describe("a launch that cannot be decided about", () => {
  it("does not keep another from being abandoned", () => {
    const served = pool("cloud/main", ["small"]);
    const [good, bad] = [launch("0002", served), launch("0001", served)];
    const broken = poisoned({ record: bad[1] }, "node").record;
    const seen = world({ nodes: [], hand: { launches: new Map([[bad[0], broken], good]) } });
    seen.index.touchAll();
    for (const id of ["0001", "0002"]) seen.index.touch(`node:${id}`);
    const decision = decide(seen);
    assert.deepEqual(told(decision), ["abandon 0002: is gone"]);
    assert.deepEqual([...decision.undecided.keys()], ["node:0001"]);
  });
});

describe("a slot's record of which a field cannot be read", () => {
  const [one, other] = ["h", "other"].map((name) => host({ name }));
  assert.ok(one && other);
  for (const field of fieldsOf(slotNode("0000", "ready", 0))) {
    for (const id of ["0000", "0002"]) {
      it(`does not keep a request from a slot of another machine: ${field} of ${id}`, () => {
        const bad = poisoned(slotNode(id, "ready", 0), field);
        const seen = world({
          pools: [hostPool("lab/main", [one, other])],
          hand: knowing(checked(one), checked(other)),
          nodes: [bad, slotNode("0001", "ready", 0, { hostname: "other" })],
          requests: [request("200-1")],
        });
        assert.match(told(decide(seen)).join(), /serve 200-1 at lab\/main with 000[012]/);
        seen.index.touchAll();
        assert.match(told(again(seen, 1)).join(), /serve 200-1 at lab\/main with 000[012]/);
      });
    }
  }
});

describe("a machine that cannot be decided about", () => {
  it("is tried again after a while by itself, and not each time that a request waits for its host", () => {
    const state = { bad: true };
    const one = host();
    const retryAt = (key: string) => {
      if (state.bad && key.startsWith("host:")) throw new Error("poison");
      return null;
    };
    const seen = world({
      pools: [hostPool("lab/main", [one])],
      hand: { retryAt },
      nodes: [slotNode("0001", "ready", 0)],
      requests: [request("200-1")],
    });
    const tried = (later: number) => again(seen, later).undecided.has("machine:lab\nh");
    assert.deepEqual([tried(0), tried(1), tried(AGAIN_SECONDS)], [true, false, true]);
    state.bad = false;
    const later = 2 * AGAIN_SECONDS;
    assert.deepEqual(told(again(seen, later)), [`check lab/${one.identity}`]);
    assert.equal(seen.index.undecided.size, 0);
  });

  it("does not keep another from being put back into service", () => {
    const hosts = ["h", "other"].map((name) => host({ name }));
    const nodes = hosts.map(({ name, identity }, index) =>
      slotNode(`000${index}`, "testing", 0, {
        hostname: name,
        comment: `out: ${identity}`,
        stateTime: NOW - 50,
      }),
    );
    const scene = {
      pools: [hostPool("lab/main", hosts)],
      hand: knowing(...hosts.map((one) => checked(one))),
    };
    const [first, second] = nodes;
    assert.ok(first && second);
    assert.deepEqual(told(decide(world({ ...scene, nodes }))).sort(), [
      "update 0000 ready",
      "update 0001 ready",
    ]);
    const seen = world({ ...scene, nodes: [poisoned(first, "comment"), second] });
    const decision = decide(seen);
    assert.deepEqual(told(decision), ["update 0001 ready"]);
    assert.deepEqual([...decision.undecided.keys()], ["machine:lab\nh"]);
    const { facts } = explainNode({ world: seen }, first);
    assert.ok(facts.includes(`its host: ${REASON}`), facts.join("; "));
    const tried = (later: number) => again(seen, later).undecided.size === 1;
    assert.ok(!tried(1) && tried(AGAIN_SECONDS), "also where nobody waits for it");
  });

  it("has no slots where its records cannot be assigned, and has them again when they can", () => {
    const state = { bad: true };
    const seen = world({
      pools: [hostPool("lab/main", [host()])],
      hand: knowing(checked(host())),
      nodes: [poisoned(slotNode("0000", "ready", 0), "slot", state)],
      requests: [request("200-1")],
    });
    assert.deepEqual(told(decide(seen)), []);
    assert.deepEqual([...seen.index.undecided.keys()], ["machine:lab\nh"]);
    assert.equal(seen.index.hosts.slotOf("0000"), undefined);
    state.bad = false;
    assert.deepEqual(told(again(seen, AGAIN_SECONDS)), [`check lab/${host().identity}`]);
    assert.equal(seen.index.hosts.slotOf("0000")?.node?.id, "0000");
  });
});

describe("what cannot be decided about", () => {
  it("has nothing done about it, also what was decided before it has thrown", () => {
    const draft = new Draft();
    const isDecided = decideOne(draft, "node:0001", () => {
      draft.actions.push({ kind: "free", node: "0001" });
      throw new Error("poison");
    });
    assert.deepEqual([isDecided, draft.actions], [false, []]);
  });

  const labels = { small: { minReady: 1 } };
  const own = (field: string) => {
    const requestorData = encodeOwnData({ minReady: true });
    return poisoned(request("100-1", { requestor: MIN_READY_REQUESTOR, requestorData }), field);
  };

  it("still counts for min-ready, so that no more is asked for", () => {
    const seen = world({ labels, requests: [own("declinedBy")] });
    for (const later of [0, 1]) assert.deepEqual(told(again(seen, later)), []);
  });

  it("lets no min-ready be asked for while it cannot be counted", () => {
    const scene = [{ requests: [own("requestor")] }, { nodes: [poisoned(node("0001", "ready"), "type")] }];
    for (const more of scene) {
      const seen = world({ labels, ...more });
      for (const later of [0, 1]) {
        const decision = again(seen, later);
        assert.deepEqual(told(decision), []);
        const summary = explainLabel({ world: seen, decision }, "small")?.summary ?? "";
        assert.match(summary, /^(request:100-1|node:0001) may be one of them, and cannot be counted$/);
      }
    }
  });
});
