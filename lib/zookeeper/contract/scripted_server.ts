// A server that says exactly what a test tells it to say, byte by byte.
import { Buffer } from "node:buffer";
import net from "node:net";
import { FrameReader } from "../frame_reader.ts";

/** One connection, seen from the server. */
export class Peer {
  readonly #socket: net.Socket;
  readonly #reader = new FrameReader();
  readonly #frames: Buffer[] = [];
  readonly #waiting: ((frame: Buffer) => void)[] = [];

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#frames.push(frame);
        else waiting(frame);
      }
    });
  }

  /** The next frame from the client; never resolves when there is none. */
  frame(): Promise<Buffer> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The xid of the next call; pings are answered on the way. */
  async call(): Promise<number> {
    while (true) {
      const xid = (await this.frame()).readInt32BE(0);
      if (xid !== -2) return xid;
      this.reply(-2);
    }
  }

  /** Reads the handshake and returns the session id that the client asks for. */
  async handshake(): Promise<bigint> {
    return (await this.frame()).readBigInt64BE(16);
  }

  /** Accepts the handshake, or, with a timeout of 0, says that the session has expired. */
  accept(sessionId: bigint, timeoutMs: number): void {
    const body = Buffer.alloc(4 + 4 + 8 + 4 + 16 + 1);
    body.writeInt32BE(timeoutMs, 4);
    body.writeBigInt64BE(sessionId, 8);
    body.writeInt32BE(16, 16);
    this.send(body);
  }

  /** Answers a call. */
  reply(xid: number, { error = 0, body = Buffer.alloc(0), zxid = 1n } = {}): void {
    const header = Buffer.alloc(16);
    header.writeInt32BE(xid);
    header.writeBigInt64BE(zxid, 4);
    header.writeInt32BE(error, 12);
    this.send(Buffer.concat([header, body]));
  }

  send(body: Buffer): void {
    this.write(framed(body));
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Sends what was written and closes the connection. */
  hangUp(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** A body with its length before it. */
export function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

export class ScriptedServer {
  readonly host: string;
  readonly #server: net.Server;
  readonly #peers = new Set<Peer>();
  #connections = 0;

  /** `script` is called for each connection with its number, beginning at 1. */
  constructor(script: (peer: Peer, connection: number) => Promise<void> | void, host = "127.0.0.1") {
    this.host = host;
    this.#server = net.createServer((socket) => {
      const peer = new Peer(socket);
      this.#peers.add(peer);
      this.#connections += 1;
      void script(peer, this.#connections);
    });
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Connections so far. */
  get connections(): number {
    return this.#connections;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, this.host, resolve));
  }

  close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
