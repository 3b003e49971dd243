// One TCP or TLS connection to one server, from the handshake to its end. It never reconnects.
//
// Invariants:
//   N1. `onEnd` is called exactly once, whatever happens, and nothing is called after it.
//   N2. The opening (TCP, TLS, handshake) ends within its own time limit, a twelfth of which is a tick.
//   N3. Once open, silence of 2/3 of the session timeout ends it; a ping goes out after 1/3 without a request.
//   N4. Time is counted in ticks and not read from a clock: a process that was stopped for a while looks at what has
//       arrived before it gives the server up, and a change of the machine's time does no harm.
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { nextTick } from "node:process";
import tls from "node:tls";
import type { Clock } from "../std/clock.ts";
import { requireIssuedBy } from "./certificate_chain.ts";
import { FrameReader, ProtocolError } from "./frame_reader.ts";
import { type Credentials, decodeHandshake } from "./handshake.ts";
import { encodePing } from "./wire.ts";

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** A server in logs and errors: `host:port`, an IPv6 address in brackets. */
export function placeOf({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Files (PEM) for TLS with a client certificate. They are read for each connection, so they may be renewed. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ConnectionOptions {
  readonly server: ServerAddress;
  readonly tls: TlsFiles | null;
  /** The first frame to send. */
  readonly handshake: Buffer;
  /** Limit for the opening, in milliseconds. */
  readonly openTimeoutMs: number;
  readonly clock: Clock;
}

/** The server has not answered the handshake in time; it may be starting, or too busy. */
export class HandshakeTimeoutError extends Error {
  override name = "HandshakeTimeoutError";
}

export interface ConnectionHandlers {
  /** The server's answer to the handshake. `timeoutMs` is 0 when the session has expired. */
  readonly onOpen: (handshake: Credentials & { timeoutMs: number }) => void;
  /** Each frame after the handshake. What it throws ends the connection. */
  readonly onFrame: (frame: Buffer) => void;
  /** Twelve times in a session timeout while open. What it throws ends the connection. */
  readonly onTick: () => void;
  readonly onEnd: (reason: Error) => void;
}

const OPENING_TICKS = 12;
const TICKS_PER_TIMEOUT = 12;
const PING_TICKS = TICKS_PER_TIMEOUT / 3;
const SILENCE_TICKS = (TICKS_PER_TIMEOUT * 2) / 3;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #reader = new FrameReader();
  #socket: net.Socket | undefined;
  #phase: "opening" | "open" | "ended" = "opening";
  #outgoing: Buffer[] = [];
  #silentTicks = 0;
  #idleTicks = 0;
  #cancelTimer: () => void = () => {};

  constructor(options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#limitOpening(OPENING_TICKS);
    void this.#open().catch((error: Error) => this.end(error));
  }

  get server(): ServerAddress {
    return this.#options.server;
  }

  /** Sends a frame; frames of one turn of the event loop, and of all that follows from it at once, travel together. */
  send(frame: Buffer): void {
    this.#idleTicks = 0;
    this.#outgoing.push(frame);
    if (this.#outgoing.length === 1) nextTick(() => this.#flush());
  }

  /** Ends the connection at once; `onEnd` is called with the reason. */
  end(reason: Error): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#cancelTimer();
    this.#socket?.destroy();
    this.#handlers.onEnd(reason);
  }

  #limitOpening(ticksLeft: number): void {
    const { openTimeoutMs, clock } = this.#options;
    if (ticksLeft === 0) {
      const limit = Math.round(openTimeoutMs);
      this.end(new HandshakeTimeoutError(`no answer to the handshake within ${limit} ms`));
      return;
    }
    this.#cancelTimer = clock.after(openTimeoutMs / OPENING_TICKS, () => this.#limitOpening(ticksLeft - 1));
  }

  async #open(): Promise<void> {
    const { server, tls: files } = this.#options;
    const secure = files === null ? null : await readTlsFiles(files);
    if (this.#phase === "ended") return;
    const socket = secure === null ? net.connect(server) : this.#connectSecurely(secure);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error: Error) => this.end(error));
    socket.on("close", () => this.end(new Error(this.#whyClosed())));
    if (secure === null) socket.once("connect", () => this.send(this.#options.handshake));
  }

  /**
   * As Nodepool does it: the server's certificate must come from the given authority, which signs for this ensemble
   * only; its name is not compared, since servers are often reached by addresses that their certificates do not name.
   */
  #connectSecurely(secure: { cert: Buffer; key: Buffer; ca: Buffer }): net.Socket {
    const { server, clock, handshake } = this.#options;
    const socket = tls.connect({ ...server, ...secure, checkServerIdentity: () => undefined });
    socket.once("secureConnect", () => {
      try {
        requireIssuedBy(socket.getPeerCertificate(true), secure.ca, clock.now());
        this.send(handshake);
      } catch (error) {
        this.end(error instanceof Error ? error : new Error(String(error)));
      }
    });
    return socket;
  }

  #whyClosed(): string {
    if (this.#phase !== "opening") return "the server closed the connection";
    const tls =
      this.#options.tls === null ? "it may want TLS" : "it may not speak TLS, or refuse our certificate";
    return `the server closed the connection before the session began: its ensemble may have no quorum, or ${tls}`;
  }

  #flush(): void {
    const frames = this.#outgoing;
    this.#outgoing = [];
    if (this.#phase === "ended") return;
    this.#socket?.write(frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames));
  }

  #receive(chunk: Buffer): void {
    if (this.#phase === "ended") return;
    this.#silentTicks = 0;
    try {
      for (const frame of this.#reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))) {
        this.#take(frame);
        // A handler may have ended the connection: what it sent before that is of no more concern.
        if (this.#ended()) return;
      }
    } catch (error) {
      this.end(error instanceof Error ? error : new ProtocolError(String(error)));
    }
  }

  #ended(): boolean {
    return this.#phase === "ended";
  }

  #take(frame: Buffer): void {
    if (this.#phase === "open") {
      this.#handlers.onFrame(frame);
      return;
    }
    const handshake = decodeHandshake(frame);
    this.#cancelTimer();
    this.#phase = "open";
    if (handshake.timeoutMs > 0) this.#scheduleTick(handshake.timeoutMs / TICKS_PER_TIMEOUT);
    this.#handlers.onOpen(handshake);
  }

  #scheduleTick(interval: number): void {
    this.#cancelTimer = this.#options.clock.after(interval, () => {
      this.#tick(interval);
      if (!this.#ended()) this.#scheduleTick(interval);
    });
  }

  #tick(interval: number): void {
    this.#silentTicks += 1;
    this.#idleTicks += 1;
    if (this.#silentTicks >= SILENCE_TICKS) {
      this.end(new Error(`the server was silent for ${Math.round(interval * SILENCE_TICKS)} ms`));
      return;
    }
    if (this.#idleTicks >= PING_TICKS) this.send(encodePing());
    try {
      this.#handlers.onTick();
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

async function readTlsFiles(files: TlsFiles): Promise<{ cert: Buffer; key: Buffer; ca: Buffer }> {
  const [cert, key, ca] = await Promise.all([readFile(files.cert), readFile(files.key), readFile(files.ca)]);
  return { cert, key, ca };
}
