import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeComponent,
  decodePool,
  encodeComponent,
  encodePool,
  newComponent,
  newPool,
} from "./component.ts";
import { decodeBuild, decodeUpload, encodeBuild, encodeUpload } from "./image.ts";
import { decodeNode, encodeNode } from "./node.ts";
import { decodeRequest, encodeRequest } from "./request.ts";

type Json = Readonly<Record<string, unknown>>;

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const json = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data)) as Json;

// Documents in which every key has something, as Nodepool's model classes write them.
const NODE = {
  state: "in-use",
  state_time: 1795377018.83,
  cloud: "c",
  provider: "p",
  pool: "main",
  type: ["small", "large"],
  allocated_to: "200-0000000001",
  az: "nova",
  region: "RegionOne",
  public_ipv4: "192.0.2.1",
  private_ipv4: "10.0.0.1",
  public_ipv6: "2001:db8::1",
  host_id: "h",
  interface_ip: "192.0.2.1",
  connection_port: 5986,
  ssh_port: 5986,
  image_id: "i",
  launcher: "l",
  created_time: 1795377000.5,
  external_id: "e",
  hostname: "np0000000001",
  comment: "a comment",
  user_data: "{}",
  hold_job: "a job",
  host_keys: ["ssh-rsa AAAA"],
  username: "zuul",
  connection_type: "winrm",
  shell_type: "cmd",
  hold_expiration: 3600,
  resources: { cores: 2, instances: 1, ram: 4096 },
  slot: 0,
  attributes: { key: "value" },
  python_path: "auto",
  tenant_name: "t",
  driver_data: { a: 1 },
  requestor: "zuul",
};
const REQUEST = {
  state: "fulfilled",
  state_time: 1795377018.83,
  declined_by: ["d"],
  node_types: ["small"],
  nodes: ["0000000001"],
  reuse: false,
  requestor: "zuul",
  requestor_data: { build_set_uuid: "u" },
  provider: "p",
  relative_priority: 3,
  event_id: "e",
  created_time: 1795377000.5,
  tenant_name: "t",
};
const BUILD = {
  state: "ready",
  state_time: 1795377018.83,
  builder: "h",
  builder_id: "u",
  formats: "qcow2,raw",
  username: "zuul",
  python_path: "auto",
  shell_type: "sh",
  error: "none",
};
const UPLOAD = {
  state: "ready",
  state_time: 1795377018.83,
  external_id: "e",
  external_name: "n",
  format: "qcow2",
  username: "zuul",
  python_path: "auto",
  shell_type: "sh",
  error: "none",
};
const COMPONENT = { hostname: "h", kind: "launcher", model_api: 1, state: "running", version: "11.0.0" };
const POOL = {
  hostname: "h",
  id: "h-PoolWorker.p-main-ab",
  kind: "pool",
  model_api: 1,
  name: "main",
  paused: true,
  priority: 7,
  provider_name: "p",
  state: "running",
  supported_labels: ["small"],
  version: "11.0.0",
};

// Nodepool's words, in which nothing may be missing.
const KIND_WORDS = ["builder", "launcher", "pool"];
const STATE_WORDS = ["initializing", "running", "paused", "stopped"];
const NODE_WORDS = "init building testing ready in-use used hold deleting failed aborted deleted".split(" ");

/** The keys that no document may lack. */
const REQUIRED: ReadonlySet<string> = new Set(["state", "kind"]);

interface Kind {
  readonly full: Json;
  readonly decode: (data: Uint8Array) => { readonly extra: Json };
  readonly rewrite: (data: Uint8Array) => Uint8Array;
  readonly words: Readonly<Record<string, readonly string[]>>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "a node": {
    full: NODE,
    decode: decodeNode,
    rewrite: (data) => encodeNode(decodeNode(data)),
    words: { state: NODE_WORDS },
  },
  "a request": {
    full: REQUEST,
    decode: decodeRequest,
    rewrite: (data) => encodeRequest(decodeRequest(data)),
    words: { state: ["requested", "pending", "fulfilled", "failed"] },
  },
  "a build": {
    full: BUILD,
    decode: decodeBuild,
    rewrite: (data) => encodeBuild(decodeBuild(data)),
    words: { state: ["building", "ready", "deleting", "failed"] },
  },
  "an upload": {
    full: UPLOAD,
    decode: decodeUpload,
    rewrite: (data) => encodeUpload(decodeUpload(data)),
    words: { state: ["uploading", "ready", "deleting", "failed"] },
  },
  "a component": {
    full: COMPONENT,
    decode: decodeComponent,
    rewrite: (data) => encodeComponent(decodeComponent(data)),
    words: { kind: KIND_WORDS, state: STATE_WORDS },
  },
  "a pool": {
    full: POOL,
    decode: decodePool,
    rewrite: (data) => encodePool(decodePool(data)),
    words: { kind: KIND_WORDS, state: STATE_WORDS },
  },
};

describe("the document of", () => {
  for (const [name, { full, decode, rewrite, words }] of Object.entries(KINDS)) {
    it(`${name} has no key that is not known, and keeps the value of each`, () => {
      assert.deepEqual(decode(bytes(full)).extra, {});
      assert.deepEqual(json(rewrite(bytes(full))), full);
    });

    it(`${name} that was written here reads as if somebody else had written it`, () => {
      const all = bytes({ ...full, added_later: { deep: [1, null, "x"] } });
      const few = bytes(Object.fromEntries(Object.entries(full).filter(([key]) => REQUIRED.has(key))));
      for (const written of [all, few].map(rewrite)) {
        assert.deepEqual(decode(written), decode(Uint8Array.from(written)));
      }
    });

    it(`${name} is refused where a key has a value of another type`, () => {
      // What any JSON value may be, or is as good as nothing.
      const free = ["external_id", "user_data", "driver_data", "requestor_data", "hold_expiration"];
      for (const key of Object.keys(full).filter((each) => !free.includes(each))) {
        const wrong = bytes({ ...full, [key]: [[]] });
        assert.throws(() => decode(wrong), { name: "DocumentError", message: new RegExp(`^'${key}' is `) });
      }
    });

    it(`${name} may have each of Nodepool's words`, () => {
      for (const [key, known] of Object.entries(words)) {
        for (const word of known) assert.equal(json(rewrite(bytes({ ...full, [key]: word })))[key], word);
      }
    });
  }

  it("anything that lacks its time has been so since 1970", () => {
    const { state_time: _, ...rest } = NODE;
    assert.equal(decodeNode(bytes(rest)).stateTime, 0);
    assert.equal(decodeRequest(bytes({ state: "requested" })).stateTime, 0);
    assert.equal(decodeBuild(bytes({ state: "ready" })).stateTime, 0);
    assert.equal(decodeUpload(bytes({ state: "ready" })).stateTime, 0);
  });

  it("a node without a port is reached at port 22, and without a limit is held for as long as others", () => {
    const { connectionPort, sshPort, holdExpiration } = decodeNode(bytes({ state: "ready" }));
    assert.deepEqual([connectionPort, sshPort, holdExpiration], [22, 22, null]);
  });

  it("a new component has Nodepool's defaults", () => {
    const blank = { hostname: null, version: null };
    assert.deepEqual(json(encodeComponent(newComponent({ kind: "builder" }))), {
      ...blank,
      kind: "builder",
      model_api: 0,
      state: "stopped",
    });
    assert.deepEqual(json(encodePool(newPool({}))), {
      ...blank,
      id: null,
      kind: "pool",
      model_api: 0,
      name: null,
      paused: false,
      priority: 100,
      provider_name: null,
      state: "running",
      supported_labels: [],
    });
  });
});
