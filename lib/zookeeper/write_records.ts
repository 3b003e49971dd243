// Writes as they lie on the wire: single ones and transactions. The package's records would do, with an object for
// every header, ACL and field and each length counted twice; a busy launcher writes more than it reads, so this is
// where its time goes.
import { Buffer } from "node:buffer";
import openAcl from "node-zookeeper-client/lib/ACL.js";
import createModes from "node-zookeeper-client/lib/CreateMode.js";
import jute, { type JuteRecord, type RequestBody } from "node-zookeeper-client/lib/jute/index.js";
import { errorCodeOf } from "./error_codes.ts";
import { ProtocolError } from "./frame_reader.ts";
import { readStat, STAT_BYTES } from "./stat.ts";
import {
  type CreateMode,
  type Operation,
  type OperationResult,
  type Stat,
  TransactionError,
} from "./types.ts";

const { OP_CODES } = jute;
/** Before each step and each result: the type, whether it is the last header, an error code. */
const HEADER_BYTES = 9;
const OPEN_ACL = serialized(openAcl.OPEN_ACL_UNSAFE.map((entry) => entry.toRecord()));
const OPERATION_TYPES = {
  create: OP_CODES.CREATE,
  set: OP_CODES.SET_DATA,
  delete: OP_CODES.DELETE,
  check: OP_CODES.CHECK,
} as const;

/** The flags of the plain kinds of znodes. */
export const CREATE_MODES: Readonly<Record<CreateMode, number>> = {
  persistent: createModes.PERSISTENT,
  "persistent-sequential": createModes.PERSISTENT_SEQUENTIAL,
  ephemeral: createModes.EPHEMERAL,
  "ephemeral-sequential": createModes.EPHEMERAL_SEQUENTIAL,
};

/** What a step of a transaction was answered with. */
export interface StepResult {
  readonly type: number;
  readonly path?: string;
  readonly stat?: Stat;
  /** Of a transaction that was refused: 0 for the steps before the one that failed. */
  readonly error?: number;
}

/** A new znode that is open to all. */
export function createRecord(path: string, data: Uint8Array, flags: number): RequestBody {
  return body(createBytes(path, data), (buffer, at) => writeCreate(buffer, at, path, data, flags));
}

/** Other data for a znode. */
export function setRecord(path: string, data: Uint8Array, version: number): RequestBody {
  return body(setBytes(path, data), (buffer, at) => writeSet(buffer, at, path, data, version));
}

/** A path and a number: a deletion or a check with its version, a watch with its kind. */
export function pathAndNumber(path: string, number: number): RequestBody {
  return body(pathBytes(path), (buffer, at) => writePath(buffer, at, path, number));
}

/** Puts a chroot before a path, or takes it off. */
export type PathMap = (path: string) => string;

export const samePath: PathMap = (path) => path;

/** All steps of a transaction. `full` gives the server's own path of one. */
export function transactionRecord(operations: readonly Operation[], full: PathMap): RequestBody {
  const paths = operations.map(({ path }) => full(path));
  let size = HEADER_BYTES;
  for (const [index, operation] of operations.entries()) {
    size += HEADER_BYTES + stepBytes(operation, paths[index] ?? "");
  }
  return body(size, (buffer, offset) => {
    let at = offset;
    for (const [index, operation] of operations.entries()) {
      at = writeHeader(buffer, at, OPERATION_TYPES[operation.kind], false);
      at = writeStep(buffer, at, operation, paths[index] ?? "");
    }
    return writeHeader(buffer, at, OP_CODES.ERROR, true);
  });
}

function stepBytes(operation: Operation, path: string): number {
  switch (operation.kind) {
    case "create":
      return createBytes(path, operation.data);
    case "set":
      return setBytes(path, operation.data);
    case "delete":
    case "check":
      return pathBytes(path);
  }
}

function writeStep(buffer: Buffer, at: number, operation: Operation, path: string): number {
  switch (operation.kind) {
    case "create":
      return writeCreate(buffer, at, path, operation.data, CREATE_MODES[operation.mode]);
    case "set":
      return writeSet(buffer, at, path, operation.data, operation.version);
    case "delete":
    case "check":
      return writePath(buffer, at, path, operation.version);
  }
}

/** What the steps of a transaction were answered with. @throws {ProtocolError} */
export function readStepResults(frame: Buffer, offset: number): StepResult[] {
  const results: StepResult[] = [];
  for (let at = offset; ; ) {
    const type = frame.readInt32BE(at);
    const isEnd = frame.readUInt8(at + 4) !== 0;
    at += HEADER_BYTES;
    if (isEnd) return results;
    if (type === OP_CODES.CREATE) {
      const length = frame.readInt32BE(at);
      results.push({ type, path: frame.toString("utf8", at + 4, at + 4 + length) });
      at += 4 + length;
    } else if (type === OP_CODES.SET_DATA) {
      results.push({ type, stat: readStat(frame, at) });
      at += STAT_BYTES;
    } else if (type === OP_CODES.ERROR) {
      results.push({ type, error: frame.readInt32BE(at) });
      at += 4;
    } else if (type === OP_CODES.DELETE || type === OP_CODES.CHECK) {
      results.push({ type });
    } else {
      throw new ProtocolError(`a result of type ${type} in a transaction's answer`);
    }
  }
}

/**
 * A transaction's results, each beside its operation. @throws {TransactionError} when nothing was committed
 *
 * @param strip gives the path that the session's users know
 */
export function transactionResults(
  operations: readonly Operation[],
  results: readonly StepResult[],
  strip: PathMap = samePath,
): OperationResult[] {
  // The steps before the failing one carry "ok", those behind it "runtime inconsistency": neither is the reason.
  const refused = results.filter(({ error }) => error !== undefined && error !== 0);
  const reason =
    refused.find(({ error = 0 }) => errorCodeOf(error) !== "RUNTIME_INCONSISTENCY") ?? refused[0];
  if (reason !== undefined) {
    const index = results.indexOf(reason);
    const operation = operations[index];
    if (operation !== undefined) throw new TransactionError(errorCodeOf(reason.error ?? 0), index, operation);
  }
  return operations.map((operation, index) => {
    const { path, stat } = results[index] ?? {};
    if (operation.kind === "create" && path !== undefined) return { kind: "create", path: strip(path) };
    if (operation.kind === "set" && stat !== undefined) return { kind: "set", stat };
    if (operation.kind === "delete" || operation.kind === "check") return { kind: operation.kind };
    throw new ProtocolError(
      `step ${index} (${operation.kind}) of a transaction was answered by something else`,
    );
  });
}

/** `write` returns where it has ended. */
function body(size: number, write: (buffer: Buffer, offset: number) => number): RequestBody {
  return { byteLength: () => size, serialize: (buffer, offset) => write(buffer, offset) - offset };
}

const pathBytes = (path: string) => 4 + Buffer.byteLength(path) + 4;
const setBytes = (path: string, data: Uint8Array) => pathBytes(path) + 4 + data.length;
const createBytes = (path: string, data: Uint8Array) => setBytes(path, data) + OPEN_ACL.length;

// Each returns where it has ended.

function writeCreate(buffer: Buffer, offset: number, path: string, data: Uint8Array, flags: number): number {
  const at = writeData(buffer, writeText(buffer, offset, path), data);
  return buffer.writeInt32BE(flags, at + OPEN_ACL.copy(buffer, at));
}

function writeSet(buffer: Buffer, at: number, path: string, data: Uint8Array, version: number): number {
  return buffer.writeInt32BE(version, writeData(buffer, writeText(buffer, at, path), data));
}

function writePath(buffer: Buffer, at: number, path: string, number: number): number {
  return buffer.writeInt32BE(number, writeText(buffer, at, path));
}

function writeText(buffer: Buffer, offset: number, text: string): number {
  const length = buffer.write(text, offset + 4);
  buffer.writeInt32BE(length, offset);
  return offset + 4 + length;
}

function writeData(buffer: Buffer, offset: number, data: Uint8Array): number {
  const at = buffer.writeInt32BE(data.length, offset);
  buffer.set(data, at);
  return at + data.length;
}

function writeHeader(buffer: Buffer, offset: number, type: number, isEnd: boolean): number {
  const at = buffer.writeUInt8(isEnd ? 1 : 0, buffer.writeInt32BE(type, offset));
  return buffer.writeInt32BE(-1, at);
}

/** Records with their number before them, as the wire has lists. */
function serialized(records: readonly JuteRecord[]): Buffer {
  const size = records.reduce((sum, record) => sum + record.byteLength(), 4);
  const bytes = Buffer.alloc(size);
  let at = bytes.writeInt32BE(records.length);
  for (const record of records) at += record.serialize(bytes, at);
  return bytes;
}
