import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { poolWorkerId } from "./component.ts";
import {
  decodeBuild,
  decodeUpload,
  encodeBuild,
  encodeUpload,
  formatsOf,
  newBuild,
  newUpload,
} from "./image.ts";
import {
  canFollow,
  decodeNode,
  encodeNode,
  NODE_STATES,
  type NodeState,
  newNode,
  TransitionError,
  withNodeState,
} from "./node.ts";
import {
  compareRequests,
  decodeRequest,
  encodeRequest,
  newRequest,
  parseRequestId,
  withRequestState,
} from "./request.ts";

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const json = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data)) as unknown;

// Documents as Nodepool's own model classes write them.
const NODE = {
  state: "init",
  state_time: 1795377018.83,
  cloud: null,
  provider: null,
  pool: null,
  type: ["l"],
  allocated_to: null,
  az: null,
  region: null,
  public_ipv4: null,
  private_ipv4: null,
  public_ipv6: null,
  host_id: null,
  interface_ip: null,
  connection_port: 22,
  ssh_port: 22,
  image_id: null,
  launcher: null,
  created_time: null,
  external_id: null,
  hostname: null,
  comment: null,
  user_data: null,
  hold_job: null,
  host_keys: [],
  username: null,
  connection_type: null,
  shell_type: null,
  hold_expiration: null,
  resources: null,
  slot: null,
  attributes: null,
  python_path: null,
  tenant_name: null,
  driver_data: null,
  requestor: null,
};
const REQUEST = {
  state: "requested",
  state_time: 1795377018.83,
  declined_by: [],
  node_types: ["l"],
  nodes: [],
  reuse: true,
  requestor: null,
  requestor_data: null,
  provider: null,
  relative_priority: 0,
  event_id: null,
  created_time: null,
  tenant_name: null,
};
const UPLOAD = {
  state: "failed",
  state_time: 1795377018.83,
  external_id: null,
  external_name: null,
  format: null,
  username: null,
  python_path: null,
  shell_type: null,
};
const BUILD = {
  state: "building",
  state_time: 1795377018.83,
  builder: "h",
  builder_id: "u",
  formats: "qcow2,raw",
  username: null,
  python_path: null,
  shell_type: null,
};

describe("the documents in ZooKeeper", () => {
  it("come back as Nodepool wrote them", () => {
    assert.deepEqual(json(encodeNode(decodeNode(bytes(NODE)))), NODE);
    assert.deepEqual(json(encodeRequest(decodeRequest(bytes(REQUEST)))), REQUEST);
    assert.deepEqual(json(encodeBuild(decodeBuild(bytes(BUILD)))), BUILD);
    assert.deepEqual(json(encodeUpload(decodeUpload(bytes(UPLOAD)))), UPLOAD);
  });

  it("keep keys that this version does not know", () => {
    const written = json(encodeNode(decodeNode(bytes({ ...NODE, added_later: { deep: [1] } }))));
    assert.deepEqual(written, { ...NODE, added_later: { deep: [1] } });
  });

  it("of a new node or request have every key of Nodepool's", () => {
    assert.deepEqual(Object.keys(json(encodeNode(newNode(1, { type: ["l"] }))) as object), Object.keys(NODE));
    assert.deepEqual(Object.keys(json(encodeRequest(newRequest(1, {}))) as object), Object.keys(REQUEST));
    assert.deepEqual(json(encodeBuild(newBuild(2, {}))), {
      state: "building",
      state_time: 2,
      username: null,
      python_path: null,
      shell_type: null,
    });
    assert.deepEqual(json(encodeUpload(newUpload(3, {}))), {
      state: "uploading",
      state_time: 3,
      external_id: null,
      external_name: null,
      format: null,
      username: null,
      python_path: null,
      shell_type: null,
    });
    assert.deepEqual(
      [newBuild(2, { builder: "b" }).builder, newUpload(3, { format: "raw" }).format],
      ["b", "raw"],
    );
    assert.deepEqual([newNode(1, {}).connectionPort, newNode(1, {}).sshPort], [22, 22]);
  });

  it("keep whole numbers of any length, as Zuul has them in the spans of its requests", () => {
    const span =
      '{"name":"RequestNodes","trace_id":213456789012345678901234567890123456789,"span_id":16045690984503098046,' +
      '"trace_flags":1,"start_time":1795377018830000001,"attributes":{"load":0.5,"small":9007199254740991}}';
    const text = `{"state":"requested","state_time":1795377018.83,"requestor_data":{"span_info":${span}},"later":-9007199254740993}`;
    const written = new TextDecoder().decode(encodeRequest(decodeRequest(new TextEncoder().encode(text))));
    assert.ok(written.includes(`"requestor_data":{"span_info":${span}}`), written);
    assert.ok(written.includes('"later":-9007199254740993'), written);
  });

  it("read numbers of their own as numbers, however long they are written", () => {
    const text = '{"state":"used","state_time":1795377018830000001,"hold_expiration":99999999999999999999}';
    const node = decodeNode(new TextEncoder().encode(text));
    assert.deepEqual([node.stateTime, node.holdExpiration], [1795377018830000000, 100000000000000000000]);
  });

  it("say which key is wrong, what it holds and what is expected", () => {
    const cases: [unknown, RegExp][] = [
      [{ ...NODE, state: "sleeping" }, /'state' is "sleeping": expected one of init, building/],
      [{ ...NODE, provider: 7 }, /'provider' is 7: expected a string or null/],
      [
        { ...NODE, connection_port: [22] },
        /'connection_port' is \[22\]: expected a port number or an object/,
      ],
      [{ ...NODE, host_keys: [1] }, /'host_keys' is \[1\]: expected a list of strings/],
      [{ ...NODE, connection_port: "22" }, /'connection_port' is "22": expected a port number or an object/],
      [[], /the data is \[\]: expected a JSON object/],
    ];
    for (const [document, message] of cases) assert.throws(() => decodeNode(bytes(document)), message);
    assert.throws(
      () => decodeNode(new TextEncoder().encode("{oops")),
      /the data is "{oops": expected a JSON object/,
    );
    assert.throws(() => decodeRequest(new Uint8Array()), /expected a JSON object/);
  });

  it("are read with Nodepool's defaults where keys are missing", () => {
    const request = decodeRequest(bytes({ state: "requested", state_time: 1, node_types: ["a"] }));
    assert.deepEqual(
      [request.declinedBy, request.nodes, request.reuse, request.relativePriority],
      [[], [], true, 0],
    );
    const node = decodeNode(bytes({ state: "ready", state_time: 1, type: "a", ssh_port: 2222 }));
    assert.deepEqual(
      [node.type, node.connectionPort, node.username, node.hostKeys],
      [["a"], 2222, "zuul", []],
    );
    assert.equal(decodeBuild(bytes({ state: "ready", state_time: 1 })).pythonPath, "/usr/bin/python2");
  });

  it("read a hold's own limit as a whole number, and anything else as no limit", () => {
    const limit = (value: unknown) => decodeNode(bytes({ ...NODE, hold_expiration: value })).holdExpiration;
    assert.deepEqual([limit("3600"), limit(12.5), limit("soon"), limit(null)], [3600, 12, 0, null]);
  });

  it("keep an object in place of a connection port, as Kubernetes drivers store it", () => {
    const port = { name: "z", token: "t" };
    assert.deepEqual(decodeNode(bytes({ ...NODE, connection_port: port })).connectionPort, port);
  });

  it("of builds list their formats as one word each", () => {
    assert.deepEqual(
      [formatsOf({ formats: "qcow2,raw" }), formatsOf({ formats: null })],
      [["qcow2", "raw"], []],
    );
  });

  it("of pools have the word by which a pool declines", () => {
    assert.equal(poolWorkerId("h", "p", "main", "ab"), "h-PoolWorker.p-main-ab");
  });
});

describe("a node's states", () => {
  it("may lead to deletion from everywhere, again and again", () => {
    const refused = NODE_STATES.filter((state) => !canFollow(state, "deleting"));
    assert.deepEqual(refused, ["deleted"]);
  });

  it("follow each other in every life that a node may have", () => {
    const lives: readonly (readonly NodeState[])[] = [
      ["init", "building", "ready", "in-use", "used", "deleting", "deleted"],
      // Given as soon as it is there, and held with its job under way.
      ["init", "building", "in-use", "hold", "in-use", "used"],
      // Another launcher goes on with it; its static host is out of service for a while.
      ["building", "building", "failed", "deleting"],
      ["ready", "testing", "ready", "hold", "hold", "used", "hold"],
      ["testing", "failed"],
      // No room yet: it is tried again.
      ["building", "aborted", "building"],
      ["ready", "used"],
      ["deleting", "deleted", "deleted"],
    ];
    for (const life of lives) {
      for (const [index, state] of life.slice(1).entries()) {
        const before = life[index] ?? state;
        assert.ok(canFollow(before, state), `${before}, ${state}`);
      }
    }
  });

  it("never lead from used back to ready", () => {
    const used = newNode(1, { state: "used" });
    assert.throws(() => withNodeState(used, "ready", 2), TransitionError);
  });

  it("carry the time when they were entered", () => {
    const building = withNodeState(newNode(1, { provider: "p" }), "building", 5);
    assert.deepEqual(
      [building.state, building.stateTime, building.createdTime, building.provider],
      ["building", 5, 1, "p"],
    );
  });
});

describe("requests", () => {
  const entry = (id: string, relativePriority = 0) => ({ id, record: { relativePriority } });

  it("are served by priority, then relative priority, then age", () => {
    const queue = [
      entry("200-0000000003"),
      entry("200-0000000002"),
      entry("200-0000000001", 5),
      entry("900-0000000000"),
      entry("100-0000000009"),
    ];
    const order = ["100-0000000009", "200-0000000002", "200-0000000003", "200-0000000001", "900-0000000000"];
    for (const one of [queue, queue.toReversed()])
      assert.deepEqual(
        one.toSorted(compareRequests).map(({ id }) => id),
        order,
      );
  });

  it("keep all else in another state, and the time when they entered it", () => {
    const record = newRequest(5, { nodeTypes: ["small"] });
    assert.deepEqual(withRequestState(record, "pending", 7), { ...record, state: "pending", stateTime: 7 });
  });

  it("have ids of exactly two parts", () => {
    assert.deepEqual(parseRequestId("1-2"), { priority: "1", sequence: "2" });
    assert.deepEqual(parseRequestId("200-0000000001"), { priority: "200", sequence: "0000000001" });
    assert.deepEqual(["200", "200-1-2", "-1", "200-", "-", ""].map(parseRequestId), Array(6).fill(undefined));
  });
});
