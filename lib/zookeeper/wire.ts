// ZooKeeper's wire protocol on top of node-zookeeper-client's records: requests to frames, frames to answers.
import { Buffer } from "node:buffer";
import jute, { type RequestBody } from "node-zookeeper-client/lib/jute/index.js";
import { creation } from "./create_request.ts";
import { errorCodeOf } from "./error_codes.ts";
import { ProtocolError } from "./frame_reader.ts";
import { readStat } from "./stat.ts";
import { type Operation, type Stat, type WideCreateMode, ZooKeeperError } from "./types.ts";
import {
  type PathMap,
  pathAndNumber,
  readStepResults,
  type StepResult,
  samePath,
  setRecord,
  transactionRecord,
} from "./write_records.ts";

const { protocol, OP_CODES } = jute;

/** What the package lacks: the operations, and how the server numbers them. */
const ADD_WATCH = 106;
const REMOVE_WATCHES = 18;
const PERSISTENT_RECURSIVE = 1;
const DATA_WATCHER = 2;
const ANY_WATCHER = 3;

/** Before the body of every frame: xid, zxid, error. */
const HEADER_BYTES = 16;

/** The server closes the connection on anything larger (jute.maxbuffer), so it is refused here. */
const MAX_REQUEST_BYTES = 0xfffff;

export const NOTIFICATION_XID = jute.XID_NOTIFICATION;
export const PING_XID = jute.XID_PING;

/** A request of one kind, and how its answer is read. */
export interface Request<T> {
  readonly name: string;
  readonly type: number;
  readonly path: string | undefined;
  readonly payload: RequestBody | null;
  /** The path to name when the request is too large, where it has several. */
  readonly largestPath?: () => string;
  /** Reads the answer's body, which begins at `offset`. */
  readonly read: (frame: Buffer, offset: number) => T;
}

const nothing = () => undefined;

/** The answer to a get: the data with its length before it, then the stat. */
function readData(frame: Buffer, offset: number): { data: Uint8Array; stat: Stat } {
  const length = Math.max(0, frame.readInt32BE(offset));
  const end = offset + 4 + length;
  // A copy: the frame may be a small part of a large piece of memory.
  return { data: new Uint8Array(frame.subarray(offset + 4, end)), stat: readStat(frame, end) };
}

/** Requests by name. Paths are the server's own: a chroot has been put before them. */
export const requests = {
  /** Answered with the stat, too: ZooKeeper's create2, createContainer and createTTL. */
  create: (path: string, data: Uint8Array, mode: WideCreateMode): Request<{ path: string; stat: Stat }> => ({
    name: "create",
    ...creation(path, data, mode),
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
    read: (frame, offset) => {
      const response = new protocol.GetChildren2Response();
      response.deserialize(frame, offset);
      return response.children ?? [];
    },
  }),
  set: (path: string, data: Uint8Array, version: number): Request<Stat> => ({
    name: "set",
    type: OP_CODES.SET_DATA,
    path,
    payload: setRecord(path, data, version),
    read: readStat,
  }),
  delete: (path: string, version: number): Request<undefined> => ({
    name: "delete",
    type: OP_CODES.DELETE,
    path,
    payload: pathAndNumber(path, version),
    read: nothing,
  }),
  /** The package has no record for it; one with the same field on the wire stands in. */
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
    payload: pathAndNumber(path, PERSISTENT_RECURSIVE),
    read: nothing,
  }),
  /** Only `any` takes persistent watches away, on every server since 3.6. */
  removeWatches: (path: string, kind: "data" | "any"): Request<undefined> => ({
    name: "removeWatches",
    type: REMOVE_WATCHES,
    path,
    payload: pathAndNumber(path, kind === "data" ? DATA_WATCHER : ANY_WATCHER),
    read: nothing,
  }),
  /** `full` gives the server's own path of one. */
  multi: (operations: readonly Operation[], full: PathMap = samePath): Request<StepResult[]> => ({
    name: "multi",
    type: OP_CODES.MULTI,
    path: undefined,
    payload: transactionRecord(operations, full),
    largestPath: () => full(largestPath(operations)),
    read: readStepResults,
  }),
  closeSession: (): Request<undefined> => ({
    name: "closeSession",
    type: OP_CODES.CLOSE_SESSION,
    path: undefined,
    payload: null,
    read: nothing,
  }),
} as const;

/** The path of the step with the most data. */
function largestPath(operations: readonly Operation[]): string {
  const size = (operation: Operation) => ("data" in operation ? operation.data.length : 0);
  return operations.reduce((largest, operation) => (size(operation) > size(largest) ? operation : largest))
    .path;
}

/** A request as a frame. @throws {ZooKeeperError} `BAD_ARGUMENTS` when it is larger than the server accepts. */
export function encodeRequest(xid: number, request: Request<unknown>): Buffer {
  // Without the frame's own length.
  const bytes = 8 + (request.payload?.byteLength() ?? 0);
  if (bytes > MAX_REQUEST_BYTES) {
    throw new ZooKeeperError(
      "BAD_ARGUMENTS",
      `a request of ${bytes} bytes: ZooKeeper takes ${MAX_REQUEST_BYTES}`,
      request.path ?? request.largestPath?.(),
    );
  }
  const frame = Buffer.allocUnsafe(4 + bytes);
  const body = frame.writeInt32BE(request.type, frame.writeInt32BE(xid, frame.writeInt32BE(bytes)));
  request.payload?.serialize(frame, body);
  return frame;
}

/** The frame that keeps a session alive while nothing else is sent. */
export function encodePing(): Buffer {
  return new jute.Request(new protocol.RequestHeader(PING_XID, OP_CODES.PING), null).toBuffer();
}

/** The head of an answer; its body begins at `bodyOffset`. @throws {ProtocolError} */
export function decodeReply(frame: Buffer): { xid: number; zxid: bigint; error: number; bodyOffset: number } {
  return {
    xid: xidOf(frame),
    zxid: frame.readBigInt64BE(4),
    error: frame.readInt32BE(12),
    bodyOffset: HEADER_BYTES,
  };
}

/** The number of the request that a frame answers, or what it is if it answers none. @throws {ProtocolError} */
export function xidOf(frame: Buffer): number {
  if (frame.length < HEADER_BYTES)
    throw new ProtocolError(`an answer of ${frame.length} bytes: expected at least 16`);
  return frame.readInt32BE(0);
}

/** What a watch has seen, by the number that the wire has for it. Others (children, removed) are not asked for. */
const EVENT_KINDS = new Map([
  [1, "created"],
  [2, "deleted"],
  [3, "changed"],
] as const);

/**
 * A watch event, or undefined when it is of a kind that we do not use. A busy launcher hears of three for each answer,
 * so this is read as it lies in the frame.
 *
 * @throws {ProtocolError}
 */
export function decodeEvent(
  frame: Buffer,
): { kind: "created" | "deleted" | "changed"; path: string } | undefined {
  const path = HEADER_BYTES + 12;
  const end = frame.length < path ? Infinity : path + Math.max(0, frame.readInt32BE(path - 4));
  if (frame.length < end) throw new ProtocolError("an event ends before its path does");
  const kind = EVENT_KINDS.get(frame.readInt32BE(HEADER_BYTES) as 1 | 2 | 3);
  return kind === undefined ? undefined : { kind, path: frame.toString("utf8", path, end) };
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
