import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import openAcl from "node-zookeeper-client/lib/ACL.js";
import jute, { type JuteRecord } from "node-zookeeper-client/lib/jute/index.js";
import { ProtocolError } from "./frame_reader.ts";
import { type CreateMode, type Operation, TransactionError } from "./types.ts";
import { encodeRequest, requests } from "./wire.ts";
import { CREATE_MODES, readStepResults, transactionResults } from "./write_records.ts";

/** The package's own records for what we write ourselves. */
const theirs = jute as unknown as {
  OP_CODES: Record<string, number>;
  TransactionRequest: new (steps: unknown[]) => JuteRecord;
  protocol: Record<
    "CreateRequest" | "SetDataRequest" | "DeleteRequest",
    new (
      ...fields: unknown[]
    ) => JuteRecord
  >;
};
const { OP_CODES } = theirs;
/** A creation that is answered with the stat; the package has its record, and not its type. */
const CREATE2 = 15;

function frame(type: number | undefined, record: JuteRecord): string {
  return new jute.Request(new jute.protocol.RequestHeader(7, type ?? 0), record).toBuffer().toString("hex");
}

const PATHS = ["/a", "/nodepool/nodes/0000000001", "/zuul/größe/包"];
const DATA = [Buffer.alloc(0), Buffer.from('{"state": "ready"}'), Buffer.alloc(3000, 0xfe)];
const MODES: CreateMode[] = ["persistent", "persistent-sequential", "ephemeral", "ephemeral-sequential"];

describe("what we write", () => {
  it("has the bytes of the package's own records", () => {
    const acls = openAcl.OPEN_ACL_UNSAFE;
    const acl = acls.map((entry) => entry.toRecord());
    const { CreateRequest, SetDataRequest, DeleteRequest } = theirs.protocol;
    const operations: Operation[] = [];
    const steps: unknown[] = [];
    for (const path of PATHS) {
      for (const data of DATA) {
        for (const mode of MODES) {
          const flags = CREATE_MODES[mode];
          const create = encodeRequest(7, requests.create(path, data, mode)).toString("hex");
          assert.equal(create, frame(CREATE2, new CreateRequest(path, data, acl, flags)));
          operations.push({ kind: "create", path, data, mode });
          steps.push({ type: OP_CODES.CREATE, path, data, acls, mode: flags });
        }
        const set = encodeRequest(7, requests.set(path, data, 5)).toString("hex");
        assert.equal(set, frame(OP_CODES.SET_DATA, new SetDataRequest(path, data, 5)));
        operations.push({ kind: "set", path, data, version: -1 });
        steps.push({ type: OP_CODES.SET_DATA, path, data, version: -1 });
      }
      const remove = encodeRequest(7, requests.delete(path, -1)).toString("hex");
      assert.equal(remove, frame(OP_CODES.DELETE, new DeleteRequest(path, -1)));
      operations.push({ kind: "delete", path, version: 3 }, { kind: "check", path, version: -1 });
      steps.push({ type: OP_CODES.DELETE, path, version: 3 }, { type: OP_CODES.CHECK, path, version: -1 });
    }
    const transaction = encodeRequest(7, requests.multi(operations)).toString("hex");
    assert.equal(transaction, frame(OP_CODES.MULTI, new theirs.TransactionRequest(steps)));
  });

  it("takes data that lies in the middle of other memory", () => {
    const memory = new Uint8Array(100).map((_, index) => index);
    const encoded = encodeRequest(7, requests.set("/a", memory.subarray(10, 13), 0));
    assert.deepEqual([...encoded.subarray(-11, -4)], [0, 0, 0, 3, 10, 11, 12]);
  });
});

describe("the answer to a transaction", () => {
  const header = (type: number, isEnd = false) =>
    Buffer.from([0xff, 0xff, 0xff, type, isEnd ? 1 : 0, 0, 0, 0, 0]);
  const failed = (code: number) => {
    const error = Buffer.alloc(4);
    error.writeInt32BE(code);
    return Buffer.concat([header(0xff), error]);
  };
  const end = header(0xff, true);
  const operations: Operation[] = [
    { kind: "check", path: "/lock", version: -1 },
    { kind: "delete", path: "/a", version: -1 },
    { kind: "check", path: "/b", version: -1 },
  ];

  it("names the step that failed, and not those before and behind it", () => {
    const results = readStepResults(Buffer.concat([failed(0), failed(-101), failed(-2), end]), 0);
    assert.throws(
      () => transactionResults(operations, results),
      (error: unknown) => error instanceof TransactionError && error.index === 1 && error.code === "NO_NODE",
    );
  });

  it("is refused when a result is of no known type, and when results are missing", () => {
    assert.throws(() => readStepResults(Buffer.concat([header(0x80), end]), 0), ProtocolError);
    const create: Operation = { kind: "create", path: "/a", data: Buffer.alloc(0), mode: "persistent" };
    assert.throws(() => transactionResults([create], []), ProtocolError);
  });
});
