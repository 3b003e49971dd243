// How znodes of each kind are asked for: the package knows the plain ones, the wider kinds are written beside it.
import { Buffer } from "node:buffer";
import openAcl from "node-zookeeper-client/lib/ACL.js";
import createModes from "node-zookeeper-client/lib/CreateMode.js";
import jute, { type JuteRecord } from "node-zookeeper-client/lib/jute/index.js";
import type { CreateMode, WideCreateMode } from "./types.ts";

const CREATE2 = 15;
const CREATE_CONTAINER = 19;
const CREATE_TTL = 21;
const CONTAINER_FLAG = 4;
const TTL_FLAG = 5;
const TTL_SEQUENTIAL_FLAG = 6;
/** The flags of the plain kinds. */
export const CREATE_MODES: Readonly<Record<CreateMode, number>> = {
  persistent: createModes.PERSISTENT,
  "persistent-sequential": createModes.PERSISTENT_SEQUENTIAL,
  ephemeral: createModes.EPHEMERAL,
  "ephemeral-sequential": createModes.EPHEMERAL_SEQUENTIAL,
};

/** The record that all kinds share. */
export function createRequest(path: string, data: Uint8Array, flags: number): JuteRecord {
  const acl = openAcl.OPEN_ACL_UNSAFE.map((entry) => entry.toRecord());
  return new jute.protocol.CreateRequest(
    path,
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    acl,
    flags,
  );
}

/** The request types that the package lacks; a time to live follows the record that they share. */
export function wideCreation(
  path: string,
  data: Uint8Array,
  mode: WideCreateMode,
): { type: number; payload: JuteRecord } {
  if (mode === "container") {
    return { type: CREATE_CONTAINER, payload: createRequest(path, data, CONTAINER_FLAG) };
  }
  if (typeof mode === "string")
    return { type: CREATE2, payload: createRequest(path, data, CREATE_MODES[mode]) };
  const flags = mode.isSequential ? TTL_SEQUENTIAL_FLAG : TTL_FLAG;
  return { type: CREATE_TTL, payload: followedByLong(createRequest(path, data, flags), BigInt(mode.ttlMs)) };
}

function followedByLong(record: JuteRecord, value: bigint): JuteRecord {
  return {
    byteLength: () => record.byteLength() + 8,
    serialize: (buffer, offset) => {
      const length = record.serialize(buffer, offset);
      buffer.writeBigInt64BE(value, offset + length);
      return length + 8;
    },
    deserialize: (buffer, offset) => record.deserialize(buffer, offset) + 8,
  };
}
