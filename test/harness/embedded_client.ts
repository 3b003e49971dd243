// A client for tests that speaks the protocol by hand: it sees each frame as the server sent it.

import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import {
  encodeFrame,
  errorCode,
  opCode,
  Reader,
  type WireStat,
  type Writer,
} from "../../lib/zookeeper/embedded/wire.ts";

export interface Reply {
  readonly xid: number;
  readonly zxid: number;
  readonly error: number;
  /** The body. */
  readonly reader: Reader;
}

/** An event, in its place among the replies. */
export interface ReceivedEvent {
  readonly type: number;
  readonly path: string;
}

export interface Handshake {
  readonly timeout?: number;
  readonly sessionId?: bigint;
  readonly password?: Uint8Array;
  readonly lastZxidSeen?: bigint;
  readonly readOnlyByte?: boolean;
}

export class TestClient {
  readonly #socket: Socket;
  #incoming = Buffer.alloc(0);
  #frames: Buffer[] = [];
  #wake: () => void = () => {};
  #ended = false;
  #xid = 0;
  /** Everything that has come, in order: events as themselves, replies as their xid. */
  readonly received: (ReceivedEvent | number)[] = [];
  readonly #replies = new Map<number, (reply: Reply | null) => void>();
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  sessionId = 0n;
  password: Uint8Array = new Uint8Array(16);
  timeout = 0;
  /** Bytes after the password in the connect reply. */
  trailing = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    this.closed = new Promise((resolve) =>
      socket.on("close", () => {
        this.#ended = true;
        for (const settle of this.#replies.values()) settle(null);
        this.#wake();
        resolve();
      }),
    );
    socket.on("data", (chunk) => this.#onData(Buffer.from(chunk)));
  }

  /** Connects; null when the server closes the connection instead of answering. */
  static async open(port: number, handshake: Handshake = {}): Promise<TestClient | null> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const client = new TestClient(socket);
    client.sendRaw(
      encodeFrame((writer) => {
        writer
          .int(0)
          .long(handshake.lastZxidSeen ?? 0n)
          .int(handshake.timeout ?? 10_000);
        writer.long(handshake.sessionId ?? 0n).buffer(handshake.password ?? new Uint8Array(16));
        if (handshake.readOnlyByte ?? true) writer.bool(false);
      }),
    );
    const frame = await client.#firstFrame();
    if (!frame) return null;
    const reader = new Reader(frame);
    reader.int();
    client.timeout = reader.int();
    client.sessionId = reader.long();
    client.password = reader.buffer() ?? new Uint8Array(0);
    client.trailing = reader.remaining;
    return client;
  }

  /** Connects with a session. */
  static async start(port: number, handshake: Handshake = {}): Promise<TestClient> {
    const client = await TestClient.open(port, handshake);
    if (!client) throw new Error("the server closed the connection");
    return client;
  }

  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Leaves unread what the server sends, until {@link resumeReading}. */
  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Sends a request; null when the connection ends without a reply. */
  request(
    type: number,
    write: (writer: Writer) => void = () => {},
    xid = ++this.#xid,
  ): Promise<Reply | null> {
    return new Promise((resolve) => {
      if (this.#ended) {
        resolve(null);
        return;
      }
      this.#replies.set(xid, resolve);
      this.sendRaw(encodeFrame((writer) => write(writer.int(xid).int(type))));
    });
  }

  /** Sends a request that must be answered. */
  async call(type: number, write?: (writer: Writer) => void, xid?: number): Promise<Reply> {
    const reply = await this.request(type, write, xid);
    if (!reply) throw new Error("the connection ended without a reply");
    return reply;
  }

  async create(path: string, data = "", flags = 0): Promise<Reply> {
    return await this.call(opCode.create, (writer) => writeCreate(writer, path, data, flags));
  }

  async set(path: string, data: string, version = -1): Promise<Reply> {
    return await this.call(opCode.setData, (w) => w.string(path).buffer(Buffer.from(data)).int(version));
  }

  async delete(path: string, version = -1): Promise<Reply> {
    return await this.call(opCode.delete, (writer) => writer.string(path).int(version));
  }

  /** The data of a znode, or null when there is none. */
  async get(path: string, watch = false): Promise<string | null> {
    const { error, reader } = await this.call(opCode.getData, (w) => w.string(path).bool(watch));
    return error === errorCode.ok ? Buffer.from(reader.buffer() ?? []).toString() : null;
  }

  /** The stat of a znode, or null when there is none. */
  async exists(path: string, watch = false): Promise<WireStat | null> {
    const { error, reader } = await this.call(opCode.exists, (w) => w.string(path).bool(watch));
    return error === errorCode.ok ? readStat(reader) : null;
  }

  /** The events that have come so far. */
  get events(): ReceivedEvent[] {
    return this.received.filter((item) => typeof item !== "number");
  }

  /** Breaks the connection; the session stays. */
  async disconnect(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  /** Ends session and connection. */
  async close(): Promise<void> {
    if (!this.#ended) await this.request(opCode.closeSession);
    await this.disconnect();
  }

  async #firstFrame(): Promise<Buffer | undefined> {
    while (this.#frames.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  #onData(chunk: Buffer): void {
    this.#incoming = Buffer.concat([this.#incoming, chunk]);
    while (this.#incoming.length >= 4 && this.#incoming.length >= 4 + this.#incoming.readInt32BE(0)) {
      const end = 4 + this.#incoming.readInt32BE(0);
      this.#onFrame(this.#incoming.subarray(4, end));
      this.#incoming = this.#incoming.subarray(end);
    }
  }

  #onFrame(frame: Buffer): void {
    if (this.sessionId === 0n && this.#replies.size === 0) {
      this.#frames.push(frame);
      this.#wake();
      return;
    }
    const reader = new Reader(frame);
    const [xid, zxid, error] = [reader.int(), Number(reader.long()), reader.int()];
    if (xid === -1) {
      const type = reader.int();
      reader.int();
      this.received.push({ type, path: reader.string() });
      return;
    }
    this.received.push(xid);
    this.#replies.get(xid)?.({ xid, zxid, error, reader });
    this.#replies.delete(xid);
  }
}

/** The body of a create request with the open ACL. */
export function writeCreate(writer: Writer, path: string, data: string, flags: number): Writer {
  writer.string(path).buffer(Buffer.from(data));
  writer.vector([31], (permissions) => writer.int(permissions).string("world").string("anyone"));
  return writer.int(flags);
}

/** The body of a transaction: each step its type and what writes it. */
export function writeSteps(
  writer: Writer,
  steps: readonly (readonly [number, (writer: Writer) => void])[],
): Writer {
  for (const [type, write] of steps) write(writer.int(type).bool(false).int(-1));
  return writer.int(-1).bool(true).int(-1);
}

export function readStat(reader: Reader): WireStat {
  const [czxid, mzxid, ctime, mtime] = [reader.long(), reader.long(), reader.long(), reader.long()].map(
    Number,
  );
  const [version, cversion, aversion] = [reader.int(), reader.int(), reader.int()];
  const ephemeralOwner = reader.long();
  const [dataLength, numChildren] = [reader.int(), reader.int()];
  const pzxid = Number(reader.long());
  return {
    czxid: czxid ?? 0,
    mzxid: mzxid ?? 0,
    ctime: ctime ?? 0,
    mtime: mtime ?? 0,
    version,
    cversion,
    aversion,
    ephemeralOwner,
    dataLength,
    numChildren,
    pzxid,
  };
}
