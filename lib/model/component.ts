// Components: what each running process says of itself below /nodepool/components/<kind>.
// Fields are those of Nodepool 2024 (its nodepool/zk).
import {
  blankRecord,
  booleanField,
  decodeDocument,
  encodeDocument,
  type RecordOf,
  requiredNumberField,
  textField,
  textListField,
  wordField,
} from "./codec.ts";

export const COMPONENT_KINDS = ["builder", "launcher", "pool"] as const;

export const COMPONENT_STATES = ["initializing", "running", "paused", "stopped"] as const;

const COMPONENT_FIELDS = {
  hostname: textField("hostname"),
  kind: wordField("kind", COMPONENT_KINDS),
  modelApi: requiredNumberField("model_api", 0),
  state: wordField("state", COMPONENT_STATES),
  version: textField("version"),
} as const;

const POOL_FIELDS = {
  hostname: textField("hostname"),
  id: textField("id"),
  kind: wordField("kind", COMPONENT_KINDS),
  modelApi: requiredNumberField("model_api", 0),
  name: textField("name"),
  paused: booleanField("paused", false),
  priority: requiredNumberField("priority", 100),
  providerName: textField("provider_name"),
  state: wordField("state", COMPONENT_STATES),
  supportedLabels: textListField("supported_labels"),
  version: textField("version"),
} as const;

/** What a builder or launcher process says of itself. */
export type ComponentRecord = RecordOf<typeof COMPONENT_FIELDS>;

/** What a launcher says of one of its pools. `id` is the word that a pool puts into `declined_by`. */
export type PoolRecord = RecordOf<typeof POOL_FIELDS>;

/** Reads a builder's or launcher's document. @throws {DocumentError} */
export function decodeComponent(data: Uint8Array): ComponentRecord {
  return decodeDocument(COMPONENT_FIELDS, data);
}

/** Writes a builder's or launcher's document. */
export function encodeComponent(record: ComponentRecord): Uint8Array {
  return encodeDocument(COMPONENT_FIELDS, record);
}

/** A builder's or launcher's record; state is `stopped` until it says otherwise. */
export function newComponent(given: Partial<ComponentRecord>): ComponentRecord {
  return blankRecord(COMPONENT_FIELDS, { state: "stopped", ...given });
}

/** Reads a pool's document. @throws {DocumentError} */
export function decodePool(data: Uint8Array): PoolRecord {
  return decodeDocument(POOL_FIELDS, data);
}

/** Writes a pool's document. */
export function encodePool(record: PoolRecord): Uint8Array {
  return encodeDocument(POOL_FIELDS, record);
}

/** A pool's record; state is `running` unless given. */
export function newPool(given: Partial<PoolRecord>): PoolRecord {
  return blankRecord(POOL_FIELDS, { kind: "pool", state: "running", ...given });
}

/** The id of a launcher's pool: new at each start of the process. `token` is a uuid in 32 hex digits. */
export function poolWorkerId(host: string, provider: string, pool: string, token: string): string {
  return `${host}-PoolWorker.${provider}-${pool}-${token}`;
}

/** The number that ZooKeeper gave a component's znode: whoever was registered later has a greater one. */
export function sequenceOf(znode: string): number {
  return Number(znode.slice(-10));
}
