// How a znode of any kind is asked for, so that the answer has its stat; the package has no such requests.
import type { RequestBody } from "node-zookeeper-client/lib/jute/index.js";
import type { WideCreateMode } from "./types.ts";
import { CREATE_MODES, createRecord } from "./write_records.ts";

const CREATE2 = 15;
const CREATE_CONTAINER = 19;
const CREATE_TTL = 21;
const CONTAINER_FLAG = 4;
const TTL_FLAG = 5;
const TTL_SEQUENTIAL_FLAG = 6;

/** The request types that the package lacks; a time to live follows the record that they share. */
export function creation(
  path: string,
  data: Uint8Array,
  mode: WideCreateMode,
): { type: number; payload: RequestBody } {
  if (mode === "container") {
    return { type: CREATE_CONTAINER, payload: createRecord(path, data, CONTAINER_FLAG) };
  }
  if (typeof mode === "string")
    return { type: CREATE2, payload: createRecord(path, data, CREATE_MODES[mode]) };
  const flags = mode.isSequential ? TTL_SEQUENTIAL_FLAG : TTL_FLAG;
  return { type: CREATE_TTL, payload: followedByLong(createRecord(path, data, flags), BigInt(mode.ttlMs)) };
}

function followedByLong(record: RequestBody, value: bigint): RequestBody {
  return {
    byteLength: () => record.byteLength() + 8,
    serialize: (buffer, offset) => {
      const length = record.serialize(buffer, offset);
      buffer.writeBigInt64BE(value, offset + length);
      return length + 8;
    },
  };
}
