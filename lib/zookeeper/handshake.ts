// The first frame in each direction: which session it is to be, and which it is.
import { Buffer } from "node:buffer";
import jute from "node-zookeeper-client/lib/jute/index.js";
import { ProtocolError } from "./frame_reader.ts";

const { ConnectRequest, ConnectResponse } = jute.protocol;

/** What proves to a server that a session is ours. */
export interface Credentials {
  readonly sessionId: bigint;
  readonly password: Buffer;
}

/** The credentials that ask for a new session. */
export const NEW_SESSION: Credentials = { sessionId: 0n, password: Buffer.alloc(16) };

function long(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
}

/** The first frame on a connection. */
export function encodeHandshake(credentials: Credentials, timeoutMs: number, lastZxid: bigint): Buffer {
  const { sessionId, password } = credentials;
  const request = new ConnectRequest(0, long(lastZxid), timeoutMs, long(sessionId), password);
  return new jute.Request(null, request).toBuffer();
}

/** The server's answer to it; `timeoutMs` is 0 when the session that was asked for has expired. */
export function decodeHandshake(frame: Buffer): Credentials & { timeoutMs: number } {
  if (frame.length < 20)
    throw new ProtocolError(`a handshake of ${frame.length} bytes: expected at least 20`);
  const response = new ConnectResponse();
  response.deserialize(frame, 0);
  const { timeOut, sessionId, passwd } = response;
  return {
    timeoutMs: timeOut,
    sessionId: sessionId.readBigInt64BE(),
    password: passwd ?? NEW_SESSION.password,
  };
}
