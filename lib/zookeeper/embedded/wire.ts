// ZooKeeper's wire format (jute): big-endian numbers, length-prefixed strings and buffers.

import { Buffer } from "node:buffer";

/** Request types by number, as ZooKeeper 3.8 has them. */
export const opCode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  setWatches2: 105,
  addWatch: 106,
  closeSession: -11,
  error: -1,
} as const;

/** Error codes by number. */
export const errorCode = {
  ok: 0,
  systemError: -1,
  runtimeInconsistency: -2,
  marshallingError: -5,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  invalidAcl: -114,
  authFailed: -115,
  noWatcher: -121,
  throttled: -127,
} as const;

/** One of {@link errorCode}, 0 apart. */
export type ErrorCode = Exclude<(typeof errorCode)[keyof typeof errorCode], 0>;

/** The transaction id of an event, which belongs to no request. */
export const eventXid = -1;

/** The largest frame in bytes, its length apart: ZooKeeper's `jute.maxbuffer` as it comes. */
export const maxFrameBytes = 0xfffff;

/** A znode's metadata as it goes over the wire. */
export interface WireStat {
  readonly czxid: number;
  readonly mzxid: number;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: number;
}

/** Bytes that end before the record does, or that are no such record. */
export class WireError extends Error {
  override name = "WireError";
}

/** Reads a record. Every method throws {@link WireError} when the bytes do not hold what is asked for. */
export class Reader {
  readonly #bytes: Buffer;
  #offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** Number of bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #take(length: number): number {
    if (length > this.remaining) {
      throw new WireError(`record ends early: ${length} bytes wanted, ${this.remaining} left`);
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  long(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  bool(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  /** A copy of the bytes (so that it does not keep the whole frame in memory), or null. */
  buffer(): Uint8Array | null {
    const length = this.int();
    if (length < 0) return null;
    const start = this.#take(length);
    return length === 0 ? noBytes : new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  /** A string; an absent one is empty. */
  string(): string {
    const length = this.int();
    if (length <= 0) return "";
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** A vector; an absent one is empty. */
  vector<T>(element: (reader: Reader) => T): T[] {
    const length = this.int();
    if (length > this.remaining) throw new WireError(`a vector of ${length} elements does not fit`);
    const elements: T[] = [];
    for (let index = 0; index < length; index++) elements.push(element(this));
    return elements;
  }
}

const noBytes = new Uint8Array(0);

/** Builds records in a buffer that grows. */
export class Writer {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** Number of bytes written. */
  get length(): number {
    return this.#length;
  }

  #room(length: number): number {
    const start = this.#length;
    const end = start + length;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    this.#length = end;
    return start;
  }

  int(value: number): this {
    const start = this.#room(4);
    this.#bytes.writeInt32BE(value, start);
    return this;
  }

  /** A 64-bit integer; a number must be a safe integer. */
  long(value: number | bigint): this {
    const start = this.#room(8);
    if (typeof value === "bigint") {
      this.#bytes.writeBigInt64BE(value, start);
    } else {
      this.#bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), start);
      this.#bytes.writeUInt32BE(value >>> 0, start + 4);
    }
    return this;
  }

  bool(value: boolean): this {
    const start = this.#room(1);
    this.#bytes[start] = value ? 1 : 0;
    return this;
  }

  buffer(value: Uint8Array | null): this {
    if (value === null) return this.int(-1);
    this.int(value.length);
    const start = this.#room(value.length);
    this.#bytes.set(value, start);
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    const start = this.#room(length);
    this.#bytes.write(value, start, "utf8");
    return this;
  }

  vector<T>(elements: Iterable<T> & { readonly length: number }, write: (element: T) => void): this {
    this.int(elements.length);
    for (const element of elements) write(element);
    return this;
  }

  stat(stat: WireStat): this {
    this.long(stat.czxid).long(stat.mzxid).long(stat.ctime).long(stat.mtime);
    this.int(stat.version).int(stat.cversion).int(stat.aversion).long(stat.ephemeralOwner);
    return this.int(stat.dataLength).int(stat.numChildren).long(stat.pzxid);
  }

  /** What was written, as a view. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** One frame: its length, then what `write` writes. */
export function encodeFrame(write: (writer: Writer) => void): Buffer {
  const writer = new Writer();
  writer.int(0);
  write(writer);
  const bytes = writer.bytes();
  bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}
