// Requests as clients send them.

import { CONTAINER, ttlOwner } from "./owner.ts";
import type { Change } from "./tree.ts";
import { errorCode, opCode, type Reader, WireError } from "./wire.ts";

/** A step of a transaction, or a write of its own; `type` decides the form of its result. */
export interface WriteRequest {
  readonly type: number;
  readonly change: Change;
}

/** A read; `type` decides the form of its result. */
export interface ReadRequest {
  readonly type: number;
  readonly path: string;
  readonly watch: boolean;
}

/** Watches that a client had on its last connection. */
export interface SetWatches {
  readonly relativeZxid: number;
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly children: readonly string[];
  readonly persistent: readonly string[];
  readonly recursive: readonly string[];
}

export type Request =
  | { readonly kind: "write"; readonly write: WriteRequest }
  | { readonly kind: "multi"; readonly writes: readonly WriteRequest[] }
  | { readonly kind: "read"; readonly read: ReadRequest }
  | { readonly kind: "multiRead"; readonly reads: readonly ReadRequest[] }
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "ping" }
  | { readonly kind: "closeSession" }
  | { readonly kind: "auth"; readonly scheme: string }
  | { readonly kind: "setWatches"; readonly watches: SetWatches }
  | { readonly kind: "addWatch"; readonly path: string; readonly mode: number }
  | { readonly kind: "checkWatches" | "removeWatches"; readonly path: string; readonly type: number }
  | { readonly kind: "unimplemented" };

const reads: ReadonlySet<number> = new Set([
  opCode.exists,
  opCode.getData,
  opCode.getChildren,
  opCode.getChildren2,
]);
const writes: ReadonlySet<number> = new Set([
  opCode.create,
  opCode.create2,
  opCode.createContainer,
  opCode.createTtl,
  opCode.delete,
  opCode.setData,
  opCode.setAcl,
  opCode.check,
]);

/** Reads the request after its header. Ephemerals will belong to `session`. @throws {WireError} */
export function readRequest(type: number, reader: Reader, session: bigint): Request {
  if (writes.has(type)) return { kind: "write", write: readWrite(type, reader, session) };
  if (reads.has(type)) return { kind: "read", read: readRead(type, reader) };
  switch (type) {
    case opCode.getAcl:
      return { kind: "read", read: { type, path: reader.string(), watch: false } };
    case opCode.multi:
      return { kind: "multi", writes: readMulti(reader, (step) => readStep(step, reader, session)) };
    case opCode.multiRead:
      return { kind: "multiRead", reads: readMulti(reader, (step) => readRead(step, reader)) };
    case opCode.sync:
      return { kind: "sync", path: reader.string() };
    case opCode.ping:
      return { kind: "ping" };
    case opCode.closeSession:
      return { kind: "closeSession" };
    case opCode.auth:
      reader.int();
      return { kind: "auth", scheme: reader.string() };
    case opCode.setWatches:
    case opCode.setWatches2:
      return { kind: "setWatches", watches: readSetWatches(type, reader) };
    case opCode.addWatch:
      return { kind: "addWatch", path: reader.string(), mode: reader.int() };
    case opCode.checkWatches:
      return { kind: "checkWatches", path: reader.string(), type: reader.int() };
    case opCode.removeWatches:
      return { kind: "removeWatches", path: reader.string(), type: reader.int() };
    default:
      return { kind: "unimplemented" };
  }
}

function readMulti<T>(reader: Reader, readStep: (type: number) => T): T[] {
  const steps: T[] = [];
  while (true) {
    const type = reader.int();
    const done = reader.bool();
    reader.int();
    if (done) return steps;
    steps.push(readStep(type));
  }
}

/** In a transaction ZooKeeper takes create2 for create, and gives no stat. */
function readStep(type: number, reader: Reader, session: bigint): WriteRequest {
  const write = readWrite(type, reader, session);
  return type === opCode.create2 ? { ...write, type: opCode.create } : write;
}

function readRead(type: number, reader: Reader): ReadRequest {
  if (!reads.has(type)) throw new WireError(`request type ${type} is no read`);
  return { type, path: reader.string(), watch: reader.remaining > 0 && reader.bool() };
}

function readWrite(type: number, reader: Reader, session: bigint): WriteRequest {
  const path = reader.string();
  switch (type) {
    case opCode.create:
    case opCode.create2:
    case opCode.createContainer:
    case opCode.createTtl:
      return { type, change: readCreate(type, path, reader, session) };
    case opCode.delete:
      return { type, change: { kind: "delete", path, version: reader.int() } };
    case opCode.setData: {
      const data = reader.buffer();
      return { type, change: { kind: "set", path, data, version: reader.int() } };
    }
    case opCode.setAcl: {
      const open = readIsOpenAcl(reader);
      const version = reader.int();
      return { type, change: open ? { kind: "setAcl", path, version } : refusedAcl };
    }
    case opCode.check:
      return { type, change: { kind: "check", path, version: reader.int() } };
    default:
      throw new WireError(`request type ${type} has no place in a transaction`);
  }
}

const refusedAcl: Change = { kind: "refused", code: errorCode.invalidAcl };

/** What a create request's flags ask for: bits up to 3, then numbers. */
const flag = { ephemeral: 1, sequential: 2, container: 4, ttl: 5, ttlSequential: 6 } as const;

function readCreate(type: number, path: string, reader: Reader, session: bigint): Change {
  const data = reader.buffer();
  const open = readIsOpenAcl(reader);
  const flags = reader.int();
  const ephemeralOwner = ownerOf(flags, session, type === opCode.createTtl ? reader.long() : 0n);
  if (ephemeralOwner === null) return { kind: "refused", code: errorCode.badArguments };
  if (!open) return refusedAcl;
  const sequential = flags < flag.container ? (flags & flag.sequential) !== 0 : flags === flag.ttlSequential;
  return { kind: "create", path, data, ephemeralOwner, sequential };
}

/** Who a new znode belongs to; null when there is no such kind of znode. */
function ownerOf(flags: number, session: bigint, ttl: bigint): bigint | null {
  if (flags === flag.container) return CONTAINER;
  if (flags === flag.ttl || flags === flag.ttlSequential) return ttlOwner(ttl);
  if (flags < 0 || flags > flag.container) return null;
  return flags & flag.ephemeral ? session : 0n;
}

/**
 * Whether an ACL lets everybody do everything: the only one that this server takes. To accept another one and not
 * enforce it would be a lie.
 */
function readIsOpenAcl(reader: Reader): boolean {
  const entries = reader.vector((entry) => ({
    permissions: entry.int(),
    scheme: entry.string(),
    id: entry.string(),
  }));
  return entries.some(
    ({ permissions, scheme, id }) => permissions === 31 && scheme === "world" && id === "anyone",
  );
}

function readSetWatches(type: number, reader: Reader): SetWatches {
  const paths = () => reader.vector((each) => each.string());
  const relativeZxid = Number(reader.long());
  const [data, exist, children] = [paths(), paths(), paths()];
  const hasPersistent = type === opCode.setWatches2;
  const [persistent, recursive] = hasPersistent ? [paths(), paths()] : [[], []];
  return { relativeZxid, data, exist, children, persistent, recursive };
}
