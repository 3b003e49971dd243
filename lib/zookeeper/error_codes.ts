import errorCodes from "node-zookeeper-client/lib/Exception.js";
import type { ZooKeeperErrorCode } from "./types.ts";

/** Codes that the server may send and the package does not know. */
const OTHER_CODES: Readonly<Record<number, ZooKeeperErrorCode>> = {
  [-118]: "SESSION_MOVED",
  [-127]: "THROTTLED",
};

const NAMED_CODES: ReadonlySet<string> = new Set<ZooKeeperErrorCode>([
  "NO_NODE",
  "NODE_EXISTS",
  "NOT_EMPTY",
  "BAD_VERSION",
  "NO_CHILDREN_FOR_EPHEMERALS",
  "NO_AUTH",
  "INVALID_ACL",
  "AUTH_FAILED",
  "BAD_ARGUMENTS",
  "UNIMPLEMENTED",
  "MARSHALLING_ERROR",
  "RUNTIME_INCONSISTENCY",
  "SYSTEM_ERROR",
  "SESSION_EXPIRED",
  "CONNECTION_LOSS",
  "OPERATION_TIMEOUT",
]);

const CODE_NAMES = new Map<number, ZooKeeperErrorCode>();
for (const [name, code] of Object.entries(errorCodes)) {
  if (typeof code === "number" && NAMED_CODES.has(name)) CODE_NAMES.set(code, name as ZooKeeperErrorCode);
}

/** The name of an error code; `UNKNOWN` for any that has none. */
export function errorCodeOf(code: number): ZooKeeperErrorCode {
  return CODE_NAMES.get(code) ?? OTHER_CODES[code] ?? "UNKNOWN";
}
