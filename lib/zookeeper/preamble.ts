// What a new connection is told before any call: who we are, and which watches we had.
//
// Invariants:
//   P1. Nothing else is sent before every part is answered: watches stand before the first call reads anything, and
//       do not queue behind those that wait.
//   P2. A part that is refused, or not answered within a session timeout, ends the connection: without its watches a
//       copy of the tree would grow old unseen.
import { Buffer } from "node:buffer";
import { errorCodeOf } from "./error_codes.ts";
import { ProtocolError } from "./frame_reader.ts";
import { ZooKeeperError } from "./types.ts";

/** An identity for a server that guards its znodes, as scheme "digest" with "user:password". */
export interface Identity {
  readonly scheme: string;
  /** Secret: it stands in no log and in no error. */
  readonly credentials: string;
}

const AUTH_XID = -4;
const AUTH_TYPE = 100;
const SET_WATCHES_XID = -8;
const SET_WATCHES_2_TYPE = 105;
const CLOSE_XID = 1;
const CLOSE_TYPE = -11;
/** The server refuses packets of a megabyte; small ones do not hold up others. */
const MAX_PACKET_BYTES = 128 * 1024;
const STUCK_TICKS = 12;

interface Part {
  readonly xid: number;
  readonly what: string;
  readonly frame: Buffer;
}

/** The first packets of a connection, and the wait for their answers. */
export class Preamble {
  #parts: Part[];
  readonly #onDone: () => void;
  #ticks = 0;

  /** `recursivePaths` are the server's own; `lastZxid` is the latest transaction that we have seen. */
  constructor(
    identities: readonly Identity[],
    recursivePaths: readonly string[],
    lastZxid: bigint,
    onDone: () => void,
  ) {
    this.#parts = [
      ...identities.map(authenticate),
      ...packets(recursivePaths).map((paths) => setWatches(paths, lastZxid)),
    ];
    this.#onDone = onDone;
  }

  /** The only packet of a connection in whose session nothing more is to be done. */
  static farewell(onDone: () => void): Preamble {
    const preamble = new Preamble([], [], 0n, onDone);
    preamble.#parts = [part(CLOSE_XID, CLOSE_TYPE, "the end of the session", Buffer.alloc(0))];
    return preamble;
  }

  /** Sends everything; `onDone` is called when all is answered, at once when there is nothing to say. */
  begin(send: (frame: Buffer) => void): void {
    for (const { frame } of this.#parts) send(frame);
    if (this.#parts.length === 0) this.#onDone();
  }

  /** Takes an answer. @throws {ZooKeeperError} when the part is refused, {@link ProtocolError} for any other answer */
  receive(xid: number, error: number): void {
    const part = this.#parts.shift();
    if (part?.xid !== xid)
      throw new ProtocolError(`an answer to ${xid} before that to ${part?.what ?? "nothing"}`);
    if (error !== 0) throw refusal(part, error);
    if (this.#parts.length === 0) this.#onDone();
  }

  /** Called twelve times in a session timeout. @throws {Error} when the answers do not come */
  tick(): void {
    this.#ticks += 1;
    if (this.#ticks < STUCK_TICKS) return;
    throw new Error(`no answer to ${this.#parts[0]?.what ?? "nothing"} within the session timeout`);
  }
}

function refusal({ xid, what }: Part, code: number): ZooKeeperError {
  const name = errorCodeOf(code);
  const isTooOld = xid === SET_WATCHES_XID && name === "UNIMPLEMENTED";
  const remedy = isTooOld ? ": ZooKeeper 3.6 or newer is needed" : "";
  return new ZooKeeperError(name, `${what} was refused with code ${code}${remedy}`);
}

function authenticate({ scheme, credentials }: Identity): Part {
  const body = Buffer.concat([int(0), text(scheme), text(credentials)]);
  return part(AUTH_XID, AUTH_TYPE, `the identity of scheme ${scheme}`, body);
}

function setWatches(paths: readonly string[], lastZxid: bigint): Part {
  const zxid = Buffer.alloc(8);
  zxid.writeBigInt64BE(lastZxid);
  // In this order: data, existence, children, persistent, persistent and recursive.
  const none = int(0);
  const body = Buffer.concat([zxid, none, none, none, none, int(paths.length), ...paths.map(text)]);
  return part(SET_WATCHES_XID, SET_WATCHES_2_TYPE, `setting ${paths.length} watches anew`, body);
}

/** Groups of paths that fit into a packet each. */
function packets(paths: readonly string[]): string[][] {
  const groups: string[][] = [];
  let room = 0;
  for (const path of paths) {
    const bytes = Buffer.byteLength(path) + 4;
    if (bytes > room) {
      groups.push([]);
      room = MAX_PACKET_BYTES;
    }
    groups.at(-1)?.push(path);
    room -= bytes;
  }
  return groups;
}

function part(xid: number, type: number, what: string, body: Buffer): Part {
  return { xid, what, frame: Buffer.concat([int(8 + body.length), int(xid), int(type), body]) };
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int(bytes.length), bytes]);
}
