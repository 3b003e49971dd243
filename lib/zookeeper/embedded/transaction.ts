// What the log holds: transactions that were committed, with every choice (zxid, time, sequence number) made.

import type { Buffer } from "node:buffer";
import type { Change } from "./tree.ts";
import { type Reader, WireError, Writer } from "./wire.ts";

/** A session as it outlives the server. `timeout` in milliseconds. */
export interface SessionRecord {
  readonly id: bigint;
  readonly timeout: number;
  readonly password: Uint8Array;
}

/** A committed transaction. Its changes are bare: sequence numbers given, versions checked. */
export interface Transaction {
  readonly zxid: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly opened: SessionRecord | null;
  readonly closed: bigint | null;
  readonly changes: readonly Change[];
}

const tag = { create: 1, delete: 2, set: 3, setAcl: 4 } as const;

/** The bytes of a transaction in the log. */
export function encodeTransaction(transaction: Transaction): Buffer {
  const writer = new Writer();
  writer.long(transaction.zxid).long(transaction.time);
  writer.bool(transaction.opened !== null);
  if (transaction.opened) writeSession(writer, transaction.opened);
  writer.long(transaction.closed ?? 0n);
  writer.vector(transaction.changes, (change) => writeChange(writer, change));
  return writer.bytes();
}

/** Reads what {@link encodeTransaction} wrote. @throws {WireError} */
export function decodeTransaction(reader: Reader): Transaction {
  const zxid = Number(reader.long());
  const time = Number(reader.long());
  const opened = reader.bool() ? readSession(reader) : null;
  const closed = reader.long();
  return { zxid, time, opened, closed: closed === 0n ? null : closed, changes: reader.vector(readChange) };
}

export function writeSession(writer: Writer, session: SessionRecord): void {
  writer.long(session.id).int(session.timeout).buffer(session.password);
}

export function readSession(reader: Reader): SessionRecord {
  return { id: reader.long(), timeout: reader.int(), password: reader.buffer() ?? new Uint8Array(0) };
}

function writeChange(writer: Writer, change: Change): void {
  switch (change.kind) {
    case "create":
      writer.int(tag.create).string(change.path).buffer(change.data).long(change.ephemeralOwner);
      return;
    case "delete":
      writer.int(tag.delete).string(change.path);
      return;
    case "set":
      writer.int(tag.set).string(change.path).buffer(change.data);
      return;
    case "setAcl":
      writer.int(tag.setAcl).string(change.path);
      return;
    case "check":
    case "refused":
      throw new WireError(`a ${change.kind} step changes nothing and has no place in the log`);
  }
}

function readChange(reader: Reader): Change {
  const kind = reader.int();
  const path = reader.string();
  switch (kind) {
    case tag.create: {
      const data = reader.buffer();
      return { kind: "create", path, data, ephemeralOwner: reader.long(), sequential: false };
    }
    case tag.delete:
      return { kind: "delete", path, version: -1 };
    case tag.set:
      return { kind: "set", path, data: reader.buffer(), version: -1 };
    case tag.setAcl:
      return { kind: "setAcl", path, version: -1 };
    default:
      throw new WireError(`unknown kind of change: ${kind}`);
  }
}
