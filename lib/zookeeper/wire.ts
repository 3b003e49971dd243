// ZooKeeper's wire protocol on top of node-zookeeper-client's records: requests to frames, frames to answers.
import { Buffer } from "node:buffer";
import openAcl from "node-zookeeper-client/lib/ACL.js";
import jute, {
  type JuteRecord,
  type JuteStat,
  type TransactionStep,
  type TransactionStepResult,
} from "node-zookeeper-client/lib/jute/index.js";
import { CREATE_MODES, createRequest, wideCreation } from "./create_request.ts";
import { errorCodeOf } from "./error_codes.ts";
import { ProtocolError } from "./frame_reader.ts";
import { readStat } from "./stat.ts";
import {
  type CreateMode,
  type Operation,
  type OperationResult,
  type Stat,
  TransactionError,
  type WideCreateMode,
  ZooKeeperError,
} from "./types.ts";

const { protocol, OP_CODES } = jute;

/** What the package lacks: the operations, and how the server numbers them. */
const ADD_WATCH = 106;
const REMOVE_WATCHES = 18;
const PERSISTENT_RECURSIVE = 1;
const DATA_WATCHER = 2;
const ANY_WATCHER = 3;

/** The server closes the connection on anything larger (jute.maxbuffer), so it is refused here. */
const MAX_REQUEST_BYTES = 0xfffff;

export const NOTIFICATION_XID = jute.XID_NOTIFICATION;
export const PING_XID = jute.XID_PING;

/** A request of one kind, and how its answer is read. */
export interface Request<T> {
  readonly name: string;
  readonly type: number;
  readonly path: string | undefined;
  readonly payload: JuteRecord | null;
  /** Reads the answer's body, which begins at `offset`. */
  readonly read: (frame: Buffer, offset: number) => T;
}

const nothing = () => undefined;

function view(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function readInto<R extends JuteRecord>(record: R, frame: Buffer, offset: number): R {
  record.deserialize(frame, offset);
  return record;
}

function toStat(stat: JuteStat): Stat {
  return {
    czxid: stat.czxid.readBigInt64BE(),
    mzxid: stat.mzxid.readBigInt64BE(),
    pzxid: stat.pzxid.readBigInt64BE(),
    ctime: Number(stat.ctime.readBigInt64BE()),
    mtime: Number(stat.mtime.readBigInt64BE()),
    version: stat.version,
    cversion: stat.cversion,
    aversion: stat.aversion,
    ephemeralOwner: stat.ephemeralOwner.readBigInt64BE(),
    dataLength: stat.dataLength,
    numChildren: stat.numChildren,
  };
}

/** The answer to a get: the data with its length before it, then the stat. */
function readData(frame: Buffer, offset: number): { data: Uint8Array; stat: Stat } {
  const length = Math.max(0, frame.readInt32BE(offset));
  const end = offset + 4 + length;
  // A copy: the frame may be a small part of a large piece of memory.
  return { data: new Uint8Array(frame.subarray(offset + 4, end)), stat: readStat(frame, end) };
}

/** Requests by name. Paths are the server's own: a chroot has been put before them. */
export const requests = {
  create: (path: string, data: Uint8Array, mode: CreateMode): Request<string> => ({
    name: "create",
    type: OP_CODES.CREATE,
    path,
    payload: createRequest(path, data, CREATE_MODES[mode]),
    read: (frame, offset) => readInto(new protocol.CreateResponse(), frame, offset).path,
  }),
  createWithStat: (
    path: string,
    data: Uint8Array,
    mode: WideCreateMode,
  ): Request<{ path: string; stat: Stat }> => ({
    name: "create",
    ...wideCreation(path, data, mode),
    path,
    read: (frame, offset) => {
      const created = new protocol.CreateResponse();
      const length = created.deserialize(frame, offset);
      return { path: created.path, stat: readStat(frame, offset + length) };
    },
  }),
  /** With `watch` the next change of the znode is told once; of a znode that does not exist nothing is told. */
  get: (path: string, watch = false): Request<{ data: Uint8Array; stat: Stat }> => ({
    name: "get",
    type: OP_CODES.GET_DATA,
    path,
    payload: new protocol.GetDataRequest(path, watch),
    read: readData,
  }),
  exists: (path: string): Request<Stat> => ({
    name: "exists",
    type: OP_CODES.EXISTS,
    path,
    payload: new protocol.ExistsRequest(path, false),
    read: readStat,
  }),
  children: (path: string): Request<string[]> => ({
    name: "children",
    type: OP_CODES.GET_CHILDREN2,
    path,
    payload: new protocol.GetChildren2Request(path, false),
    read: (frame, offset) => readInto(new protocol.GetChildren2Response(), frame, offset).children ?? [],
  }),
  set: (path: string, data: Uint8Array, version: number): Request<Stat> => ({
    name: "set",
    type: OP_CODES.SET_DATA,
    path,
    payload: new protocol.SetDataRequest(path, view(data), version),
    read: readStat,
  }),
  delete: (path: string, version: number): Request<undefined> => ({
    name: "delete",
    type: OP_CODES.DELETE,
    path,
    payload: new protocol.DeleteRequest(path, version),
    read: nothing,
  }),
  // The three below have no record of their own in the package; one with the same fields on the wire stands in.
  sync: (path: string): Request<undefined> => ({
    name: "sync",
    type: OP_CODES.SYNC,
    path,
    payload: new protocol.GetACLRequest(path),
    read: nothing,
  }),
  addWatch: (path: string): Request<undefined> => ({
    name: "addWatch",
    type: ADD_WATCH,
    path,
    payload: new protocol.CheckVersionRequest(path, PERSISTENT_RECURSIVE),
    read: nothing,
  }),
  /** Only `any` takes persistent watches away, on every server since 3.6. */
  removeWatches: (path: string, kind: "data" | "any"): Request<undefined> => ({
    name: "removeWatches",
    type: REMOVE_WATCHES,
    path,
    payload: new protocol.CheckVersionRequest(path, kind === "data" ? DATA_WATCHER : ANY_WATCHER),
    read: nothing,
  }),
  multi: (operations: readonly Operation[]): Request<TransactionStepResult[]> => ({
    name: "multi",
    type: OP_CODES.MULTI,
    path: undefined,
    payload: new jute.TransactionRequest(operations.map(transactionStep)),
    read: (frame, offset) => readInto(new jute.TransactionResponse(), frame, offset).results,
  }),
  closeSession: (): Request<undefined> => ({
    name: "closeSession",
    type: OP_CODES.CLOSE_SESSION,
    path: undefined,
    payload: null,
    read: nothing,
  }),
} as const;

function transactionStep(operation: Operation): TransactionStep {
  const { path } = operation;
  switch (operation.kind) {
    case "create":
      return {
        type: OP_CODES.CREATE,
        path,
        data: view(operation.data),
        acls: openAcl.OPEN_ACL_UNSAFE,
        mode: CREATE_MODES[operation.mode],
      };
    case "set":
      return { type: OP_CODES.SET_DATA, path, data: view(operation.data), version: operation.version };
    case "delete":
      return { type: OP_CODES.DELETE, path, version: operation.version };
    case "check":
      return { type: OP_CODES.CHECK, path, version: operation.version };
  }
}

/** A transaction's results, each beside its operation. @throws {TransactionError} when nothing was committed. */
export function transactionResults(
  operations: readonly Operation[],
  results: readonly TransactionStepResult[],
): OperationResult[] {
  // The steps before the failing one carry "ok", those behind it "runtime inconsistency": neither is the reason.
  const refused = results.filter(
    ({ type, err }) => type === OP_CODES.ERROR && err !== undefined && err !== 0,
  );
  const reason = refused.find(({ err }) => errorCodeOf(err ?? 0) !== "RUNTIME_INCONSISTENCY") ?? refused[0];
  if (reason !== undefined) {
    const index = results.indexOf(reason);
    const operation = operations[index];
    if (operation !== undefined) throw new TransactionError(errorCodeOf(reason.err ?? 0), index, operation);
  }
  return operations.map((operation, index) => {
    const result = results[index];
    if (operation.kind === "create" && result?.path !== undefined)
      return { kind: "create", path: result.path };
    if (operation.kind === "set" && result?.stat !== undefined)
      return { kind: "set", stat: toStat(result.stat) };
    if (operation.kind === "delete" || operation.kind === "check") return { kind: operation.kind };
    throw new ProtocolError(
      `step ${index} (${operation.kind}) of a transaction was answered by something else`,
    );
  });
}

/** A request as a frame. @throws {ZooKeeperError} `BAD_ARGUMENTS` when it is larger than the server accepts. */
export function encodeRequest(xid: number, request: Request<unknown>): Buffer {
  const frame = new jute.Request(new protocol.RequestHeader(xid, request.type), request.payload).toBuffer();
  // Without the frame's own length.
  const bytes = frame.length - 4;
  if (bytes > MAX_REQUEST_BYTES) {
    throw new ZooKeeperError(
      "BAD_ARGUMENTS",
      `a request of ${bytes} bytes: ZooKeeper takes ${MAX_REQUEST_BYTES}`,
      request.path,
    );
  }
  return frame;
}

/** The frame that keeps a session alive while nothing else is sent. */
export function encodePing(): Buffer {
  return new jute.Request(new protocol.RequestHeader(PING_XID, OP_CODES.PING), null).toBuffer();
}

/** The head of an answer; its body begins at `bodyOffset`. @throws {ProtocolError} */
export function decodeReply(frame: Buffer): { xid: number; zxid: bigint; error: number; bodyOffset: number } {
  if (frame.length < 16) throw new ProtocolError(`an answer of ${frame.length} bytes: expected at least 16`);
  return {
    xid: frame.readInt32BE(0),
    zxid: frame.readBigInt64BE(4),
    error: frame.readInt32BE(12),
    bodyOffset: 16,
  };
}

/** What a watch has seen, by the number that the wire has for it. Others (children, removed) are not asked for. */
const EVENT_KINDS = new Map([
  [1, "created"],
  [2, "deleted"],
  [3, "changed"],
] as const);

/** A watch event, or undefined when it is of a kind that we do not use. */
export function decodeEvent(
  frame: Buffer,
  offset: number,
): { kind: "created" | "deleted" | "changed"; path: string } | undefined {
  const { type, path } = readInto(new protocol.WatcherEvent(), frame, offset);
  const kind = EVENT_KINDS.get(type as 1 | 2 | 3);
  return kind === undefined ? undefined : { kind, path };
}

/** The error that an answer's code stands for. */
export function replyError(code: number, request: Request<unknown>): ZooKeeperError {
  const name = errorCodeOf(code);
  if (name === "UNIMPLEMENTED" && request.type === ADD_WATCH) {
    const message = "the server knows no recursive watches: ZooKeeper 3.6 or newer is needed";
    return new ZooKeeperError(name, message, request.path);
  }
  if (name === "NO_AUTH") {
    const message = `${request.name} is not open to us: the znode's ACL asks for another identity`;
    return new ZooKeeperError(name, message, request.path);
  }
  return new ZooKeeperError(name, `${request.name} was refused with code ${code}`, request.path);
}
