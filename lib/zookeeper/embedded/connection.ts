// One client's connection: frames in, frames out. A frame goes out only when what it tells is on disk.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { messageOf } from "../../std/errors.ts";
import type { ReplyFault } from "./faults.ts";
import { maxFrameBytes } from "./wire.ts";

/** What a connection asks of its server. */
export interface ConnectionOwner {
  /** The first four bytes were letters: an administrator's command. The answer ends the connection. */
  command(word: string): string | null;
  /** A frame has come. What it throws ends the connection. */
  frame(connection: Connection, frame: Buffer): void;
  /** The connection has ended. */
  closed(connection: Connection): void;
  /** A client sent what is no frame. */
  misbehaved(connection: Connection, reason: string): void;
  /** Everything up to this transaction is on disk. */
  readonly durable: number;
}

interface Outgoing {
  /** Must be on disk first. */
  readonly zxid: number;
  readonly bytes: Buffer;
  readonly fault: ReplyFault;
}

/** A client that does not read its replies is not read from when this many bytes wait for it, ... */
const pauseBytes = 4 * 1024 * 1024;
/** ... and is dropped at this many: events come without being asked for. */
const dropBytes = 64 * 1024 * 1024;
/** How long a connection that was ended may take to send the rest. */
const lingerMilliseconds = 500;

export class Connection {
  /** The session that this connection serves; 0n before the connect request. */
  sessionId = 0n;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  #incoming: Buffer = Buffer.alloc(0);
  #outgoing: Outgoing[] = [];
  #outgoingBytes = 0;
  #releasing = false;
  #delayed = false;
  #ending = false;
  #isFirstFrame = true;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("drain", () => this.#resume());
    // "close" follows each error and says all there is to say.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ending = true;
      this.#outgoing = [];
      owner.closed(this);
    });
  }

  /** Who it is, for the log. */
  get remoteAddress(): string {
    return `${this.#socket.remoteAddress ?? "?"}:${this.#socket.remotePort ?? "?"}`;
  }

  /** Sends a frame once `zxid` is on disk, after all that was sent before. */
  send(zxid: number, bytes: Buffer, fault: ReplyFault = "deliver"): void {
    if (this.#ending) return;
    this.#outgoing.push({ zxid, bytes, fault });
    this.#outgoingBytes += bytes.length;
    if (this.#waitingBytes > dropBytes) {
      this.#misbehaved(`does not read its replies, ${this.#waitingBytes} bytes wait`);
    }
    if (this.#releasing) return;
    this.#releasing = true;
    // Frames of the same moment go out together.
    queueMicrotask(() => {
      this.#releasing = false;
      this.release();
    });
  }

  /** Sends what has become durable. */
  release(): void {
    if (this.#delayed || this.#ending) return;
    const ready: Buffer[] = [];
    let count = 0;
    for (const { zxid, bytes, fault } of this.#outgoing) {
      if (zxid > this.#owner.durable) break;
      count++;
      if (fault === "deliver") {
        ready.push(bytes);
      } else if (fault === "close" || fault === "half") {
        if (fault === "half") ready.push(bytes.subarray(0, bytes.length >> 1));
        this.#write(ready);
        this.end();
        return;
      } else if (fault !== "drop") {
        this.#outgoing[count - 1] = { zxid, bytes, fault: "deliver" };
        count--;
        this.#delay(fault.delayMilliseconds);
        break;
      }
    }
    for (const { bytes } of this.#outgoing.splice(0, count)) this.#outgoingBytes -= bytes.length;
    this.#write(ready);
    this.#resume();
  }

  /** Sends what is durable and ends the connection; what is not durable is not sent. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#outgoing = [];
    this.#socket.end();
    // A client that does not read, or does not close its side, must not keep ours.
    const timer = setTimeout(() => this.#socket.destroy(), lingerMilliseconds);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#ending = true;
    this.#outgoing = [];
    this.#socket.destroy();
  }

  /** Ends the connection after the frames that were sent before, once this transaction is on disk. */
  endAfter(zxid: number): void {
    this.send(zxid, Buffer.alloc(0), "close");
  }

  #write(buffers: Buffer[]): void {
    if (buffers.length === 0) return;
    this.#socket.write(buffers.length === 1 && buffers[0] ? buffers[0] : Buffer.concat(buffers));
  }

  #delay(milliseconds: number): void {
    this.#delayed = true;
    setTimeout(() => {
      this.#delayed = false;
      this.release();
    }, milliseconds);
  }

  /** Bytes that the client has not taken yet. */
  get #waitingBytes(): number {
    return this.#outgoingBytes + this.#socket.writableLength;
  }

  /** Goes on with requests when the client has taken enough of its replies. */
  #resume(): void {
    if (this.#ending || !this.#socket.isPaused() || this.#waitingBytes > pauseBytes) return;
    this.#socket.resume();
    this.#takeFrames();
  }

  #misbehaved(reason: string): void {
    this.#owner.misbehaved(this, reason);
    this.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#incoming = this.#incoming.length === 0 ? chunk : Buffer.concat([this.#incoming, chunk]);
    this.#takeFrames();
  }

  /** Hands over the frames that have come whole. One chunk may hold thousands whose replies are large. */
  #takeFrames(): void {
    let bytes = this.#incoming;
    while (bytes.length >= 4 && !this.#ending) {
      if (this.#waitingBytes > pauseBytes) {
        this.#socket.pause();
        break;
      }
      if (this.#isFirstFrame && this.#answerCommand(bytes)) return;
      const length = bytes.readInt32BE(0);
      if (length < 0 || length > maxFrameBytes) {
        this.#misbehaved(`sent a frame of ${length} bytes, at most ${maxFrameBytes} are taken`);
        return;
      }
      if (bytes.length < 4 + length) break;
      this.#isFirstFrame = false;
      try {
        this.#owner.frame(this, bytes.subarray(4, 4 + length));
      } catch (error) {
        this.#misbehaved(messageOf(error));
      }
      bytes = bytes.subarray(4 + length);
    }
    // A copy: a view would keep the whole chunk in memory.
    this.#incoming = bytes.length === 0 ? bytes : Buffer.from(bytes);
  }

  #answerCommand(bytes: Buffer): boolean {
    const answer = this.#owner.command(bytes.toString("latin1", 0, 4));
    if (answer === null) return false;
    this.#socket.end(answer);
    return true;
  }
}
