// A node: its document in /nodepool/nodes/<id>, its states and which may follow which.
// Fields, defaults and transitions are those of Nodepool 2024 (its nodepool/zk).
import {
  anyField,
  blankRecord,
  DocumentError,
  decodeDocument,
  describe,
  encodeDocument,
  type Field,
  numberField,
  objectField,
  type RecordOf,
  requiredNumberField,
  textField,
  textListField,
  wordField,
} from "./codec.ts";

/**
 * Nodepool's words for the states of a node. It never sets `testing` itself; with us that is a slot whose static host
 * is out of service.
 */
export const NODE_STATES = [
  "init",
  "building",
  "testing",
  "ready",
  "in-use",
  "used",
  "hold",
  "deleting",
  "failed",
  "aborted",
  "deleted",
] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** Kubernetes drivers store an object here, so that a port is a number only for the others. */
export type ConnectionPort = number | Readonly<Record<string, unknown>> | null;

const portField = (key: string): Field<ConnectionPort> => ({
  key,
  omitNull: false,
  read: (value) => {
    if (value === undefined || value === null) return null;
    if (typeof value === "number") return value;
    if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new DocumentError(`'${key}' is ${describe(value)}: expected a port number or an object`);
  },
});

/** Nodepool coerces anything that is no whole number to 0, which means "no own limit". */
const holdExpirationField: Field<number | null> = {
  key: "hold_expiration",
  omitNull: false,
  read: (value) => {
    if (value === undefined || value === null) return null;
    const limit = Number(value);
    return Number.isFinite(limit) ? Math.trunc(limit) : 0;
  },
};

const NODE_FIELDS = {
  state: wordField("state", NODE_STATES),
  stateTime: requiredNumberField("state_time", 0),
  cloud: textField("cloud"),
  provider: textField("provider"),
  pool: textField("pool"),
  type: textListField("type"),
  allocatedTo: textField("allocated_to"),
  az: textField("az"),
  region: textField("region"),
  publicIpv4: textField("public_ipv4"),
  privateIpv4: textField("private_ipv4"),
  publicIpv6: textField("public_ipv6"),
  hostId: textField("host_id"),
  interfaceIp: textField("interface_ip"),
  connectionPort: portField("connection_port"),
  sshPort: portField("ssh_port"),
  imageId: textField("image_id"),
  launcher: textField("launcher"),
  createdTime: numberField("created_time"),
  externalId: anyField("external_id"),
  hostname: textField("hostname"),
  comment: textField("comment"),
  userData: anyField("user_data"),
  holdJob: textField("hold_job"),
  hostKeys: textListField("host_keys"),
  username: textField("username", "zuul"),
  connectionType: textField("connection_type"),
  shellType: textField("shell_type"),
  holdExpiration: holdExpirationField,
  resources: objectField("resources"),
  slot: numberField("slot"),
  attributes: objectField("attributes"),
  pythonPath: textField("python_path"),
  tenantName: textField("tenant_name"),
  driverData: anyField("driver_data"),
  requestor: textField("requestor"),
} as const;

/** A node's document. Times are seconds since the epoch; `resources` holds `cores`, `instances`, `ram` (MiB). */
export type NodeRecord = RecordOf<typeof NODE_FIELDS>;

/** Reads a node's document. @throws {DocumentError} */
export function decodeNode(data: Uint8Array): NodeRecord {
  const record = decodeDocument(NODE_FIELDS, data);
  const port = record.connectionPort ?? record.sshPort ?? 22;
  return record.connectionPort === port && record.sshPort === port
    ? record
    : { ...record, connectionPort: port, sshPort: port };
}

/** Writes a node's document with all of Nodepool's keys; `ssh_port` repeats `connection_port`. */
export function encodeNode(record: NodeRecord): Uint8Array {
  const { connectionPort: port, sshPort } = record;
  return encodeDocument(NODE_FIELDS, sshPort === port ? record : { ...record, sshPort: port });
}

/** A node as it is first stored: state `init`, created now. `now` is in seconds. */
export function newNode(now: number, given: Partial<NodeRecord>): NodeRecord {
  return blankRecord(NODE_FIELDS, {
    state: "init",
    stateTime: now,
    createdTime: now,
    connectionPort: 22,
    sshPort: 22,
    username: null,
    ...given,
  });
}

/** The node in another state, entered at `now` (seconds). @throws {TransitionError} when it may not follow. */
export function withNodeState(record: NodeRecord, state: NodeState, now: number): NodeRecord {
  if (!canFollow(record.state, state)) {
    throw new TransitionError(`a node in state '${record.state}' cannot become '${state}'`);
  }
  return { ...record, state, stateTime: now };
}

/** A state was asked for that may not follow the present one. */
export class TransitionError extends Error {
  override name = "TransitionError";
}

// Deleting is possible from everywhere and may be repeated, so that a crashed deletion can always be resumed.
const NEXT_STATES: Readonly<Record<NodeState, readonly NodeState[]>> = {
  init: ["building"],
  building: ["building", "ready", "in-use", "failed", "aborted"],
  testing: ["ready", "failed"],
  ready: ["in-use", "hold", "used", "testing"],
  "in-use": ["used", "hold"],
  used: ["hold"],
  hold: ["hold", "used", "in-use"],
  deleting: ["deleted"],
  failed: [],
  aborted: ["building"],
  deleted: ["deleted"],
};

/** Whether a node may go from one state to another. */
export function canFollow(from: NodeState, to: NodeState): boolean {
  return to === "deleting" ? from !== "deleted" : NEXT_STATES[from].includes(to);
}
