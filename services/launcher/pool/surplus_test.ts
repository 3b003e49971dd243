import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { decideIn, node, otherPool, pool, request, type Scene } from "../../../test/harness/world.ts";
import { encodeOwnData } from "../request/own_data.ts";

const own = {
  requestor: MIN_READY_REQUESTOR,
  reuse: false,
  requestorData: encodeOwnData({ minReady: true }),
};
const asked = (id: string, more: object = {}) => request(id, { ...own, ...more });
const full = pool("cloud/main", ["small", "large"], { maxServers: 1 });
const used = node("0001", "in-use", { locked: true });
const withdrawn = (scene: Scene, minReady = 1) => {
  const labels = { small: { minReady } };
  const { actions } = decideIn({ pools: [full], nodes: [used], labels, ...scene });
  return actions.filter((action) => !action.startsWith("serve"));
};

describe("requests for min-ready beyond what is wanted", () => {
  const three = [asked("900-1"), asked("900-2"), asked("900-3")];

  it("are withdrawn, the last ones first, down to what is wanted", () => {
    assert.deepEqual(withdrawn({ requests: three }, 3), []);
    assert.deepEqual(withdrawn({ requests: three }, 2), ["settle-min-ready 900-3"]);
    const all = ["settle-min-ready 900-3", "settle-min-ready 900-2", "settle-min-ready 900-1"];
    assert.deepEqual(withdrawn({ requests: three }, 0), all);
    assert.deepEqual(withdrawn({ requests: three, labels: {} }), all, "the label is gone");
    const late = asked("100-9", { relativePriority: 7 });
    const unordered = [asked("900-2"), late, asked("900-1"), asked("100-8", { relativePriority: 8 })];
    const last = ["settle-min-ready 900-2", "settle-min-ready 900-1", "settle-min-ready 100-8"];
    assert.deepEqual(withdrawn({ requests: unordered }, 1), last, "by their order in the queue");
  });

  it("are those that ready nodes, launches under way and nodes whose request is gone make needless", () => {
    const ready = [used, node("0002", "ready")];
    assert.deepEqual(withdrawn({ nodes: ready, requests: [asked("900-1")] }), ["settle-min-ready 900-1"]);
    const pending = asked("900-1", { state: "pending", locked: true });
    const launched = [used, node("0002", "building", { locked: true, allocatedTo: "900-1" })];
    assert.deepEqual(withdrawn({ nodes: launched, requests: [pending, asked("900-2")] }), [
      "settle-min-ready 900-2",
    ]);
    const orphan = { locked: true, requestor: MIN_READY_REQUESTOR };
    const left = [used, node("0002", "building", orphan)];
    assert.deepEqual(withdrawn({ nodes: left, requests: [asked("900-1")] }), ["settle-min-ready 900-1"]);
  });

  it("are not those whose node is shown as ready before its own request is shown as done", () => {
    const done = asked("900-1", { state: "pending", locked: true });
    const nodes = [used, node("0002", "ready")];
    assert.deepEqual(withdrawn({ nodes, requests: [done, asked("900-2")] }, 2), []);
  });

  it("are not touched once they are taken, locked, being worked on, or somebody else's", () => {
    const requests = [
      asked("900-1", { state: "pending", locked: true }),
      asked("900-2", { locked: true }),
      asked("900-3"),
      asked("900-4", { requestorData: null }),
    ];
    assert.deepEqual(withdrawn({ requests, busy: ["request:900-3"] }, 0), []);
    assert.deepEqual(
      withdrawn({ requests: [asked("900-1")], pools: [pool("cloud/main", ["small"])] }, 0),
      [],
    );
  });

  it("are left to the launcher that keeps the label", () => {
    const elder = {
      ...otherPool("other/main", ["small"], { extra: { min_ready: { small: 3 } } }),
      znode: "a0000000000",
    };
    const pools = [pool("first/main", []), full];
    assert.deepEqual(withdrawn({ pools, others: [elder], requests: three }, 0), []);
  });
});
