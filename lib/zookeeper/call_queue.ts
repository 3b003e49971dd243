// Calls on their way: waiting for a connection, or sent and not yet answered.
//
// Invariants:
//   Q1. Every call is settled: by its answer, by the loss of its connection, by the end of its session, or, when
//       there is no connection, after the patience given.
//   Q2. Calls are sent in the order in which they were made, at most `limit` at a time without an answer.
//   Q3. The server answers in the order in which it was asked. An answer out of order means that one was lost: the
//       connection is given up (what is thrown here ends it), and the calls in flight learn that they do not know.
import type { Buffer } from "node:buffer";
import type { Clock } from "../std/clock.ts";
import { ProtocolError } from "./frame_reader.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "./types.ts";
import { decodeReply, encodeRequest, type Request, replyError } from "./wire.ts";

interface Call {
  readonly request: Request<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  cancelPatience: (() => void) | undefined;
}

const LARGEST_XID = 0x7fffffff;
/** Ticks (twelfths of the session timeout) after which an unanswered call tells that the server is stuck. */
const STUCK_TICKS = 12;

export class CallQueue {
  readonly #waiting = new Set<Call>();
  readonly #inFlight = new Map<number, Call>();
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #limit: number;
  #send: ((frame: Buffer) => void) | undefined;
  #xid = 0;
  #detachedBecause = "not connected yet";
  #stuck: { xid: number | undefined; ticks: number } = { xid: undefined, ticks: 0 };

  /** `patienceMs`: how long a call waits for a connection. `firstXid` is for tests of the counter's end. */
  constructor(options: { clock: Clock; patienceMs: number; limit?: number; firstXid?: number }) {
    this.#clock = options.clock;
    this.#patienceMs = options.patienceMs;
    this.#limit = options.limit ?? 1000;
    this.#xid = (options.firstXid ?? 1) - 1;
  }

  /** How many calls were sent and have no answer. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** How many calls were not sent yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Makes a call. @throws {ZooKeeperError} what the server answered, or why there is no answer */
  call<T>(request: Request<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call: Call = {
        request,
        resolve: resolve as (value: unknown) => void,
        reject,
        cancelPatience: undefined,
      };
      this.#waiting.add(call);
      if (this.#send === undefined) this.#armPatience(call);
      else this.#pump();
    });
  }

  /** A connection is there: sends what has waited, and from now on at once. */
  attach(send: (frame: Buffer) => void): void {
    this.#send = send;
    for (const call of this.#waiting) {
      call.cancelPatience?.();
      call.cancelPatience = undefined;
    }
    this.#pump();
  }

  /** The connection is gone: whatever was in flight may or may not have been done. */
  detach(reason: string): void {
    this.#send = undefined;
    this.#detachedBecause = reason;
    const lost = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const call of this.#waiting) if (call.cancelPatience === undefined) this.#armPatience(call);
    for (const call of lost) {
      call.reject(this.#error(call, "CONNECTION_LOSS", `the connection broke before the answer: ${reason}`));
    }
  }

  /** Ends every call. What the server still answers is passed over: a call that comes after them has its answer behind. */
  fail(code: ZooKeeperErrorCode, reason: string): void {
    const calls = [...this.#inFlight.values(), ...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) {
      call.cancelPatience?.();
      call.reject(this.#error(call, code, reason));
    }
  }

  /** Settles the call that a frame answers; returns the answer's zxid. @throws {ProtocolError} */
  settle(frame: Buffer): bigint {
    const { xid, zxid, error, bodyOffset } = decodeReply(frame);
    const expected = this.#inFlight.keys().next().value;
    const call = this.#inFlight.get(xid);
    if (call === undefined || xid !== expected) {
      throw new ProtocolError(`an answer to call ${xid}: expected one to call ${expected ?? "none"}`);
    }
    this.#inFlight.delete(xid);
    if (error !== 0) call.reject(replyError(error, call.request));
    else this.#resolve(call, frame, bodyOffset);
    this.#pump();
    return zxid;
  }

  /** Called twelve times in a session timeout. @throws {Error} when the oldest call has no answer for that long */
  tick(): void {
    const xid = this.#inFlight.keys().next().value;
    this.#stuck = xid === this.#stuck.xid ? { xid, ticks: this.#stuck.ticks + 1 } : { xid, ticks: 0 };
    if (xid !== undefined && this.#stuck.ticks >= STUCK_TICKS) {
      throw new Error(`no answer to ${this.#inFlight.get(xid)?.request.name} within the session timeout`);
    }
  }

  #resolve(call: Call, frame: Buffer, offset: number): void {
    try {
      call.resolve(call.request.read(frame, offset));
    } catch (cause) {
      call.reject(this.#error(call, "MARSHALLING_ERROR", `the answer cannot be read: ${cause}`));
      throw new ProtocolError(`the answer to ${call.request.name} cannot be read: ${cause}`);
    }
  }

  #pump(): void {
    for (const call of this.#waiting) {
      if (this.#send === undefined || this.#inFlight.size >= this.#limit) return;
      this.#waiting.delete(call);
      const xid = this.#xid === LARGEST_XID ? 1 : this.#xid + 1;
      try {
        const frame = encodeRequest(xid, call.request);
        this.#xid = xid;
        this.#inFlight.set(xid, call);
        this.#send(frame);
      } catch (error) {
        this.#inFlight.delete(xid);
        call.reject(error);
      }
    }
  }

  #armPatience(call: Call): void {
    call.cancelPatience = this.#clock.after(this.#patienceMs, () => {
      this.#waiting.delete(call);
      const reason = `no connection within ${this.#patienceMs} ms: ${this.#detachedBecause}`;
      call.reject(this.#error(call, "CONNECTION_LOSS", reason));
    });
  }

  #error(call: Call, code: ZooKeeperErrorCode, reason: string): ZooKeeperError {
    return new ZooKeeperError(code, `${call.request.name}: ${reason}`, call.request.path);
  }
}
