// Image builds and uploads: their documents below /nodepool/images and their states.
// Fields and states are those of Nodepool 2024 (its nodepool/zk).
import {
  blankRecord,
  decodeDocument,
  encodeDocument,
  omitWhenNull,
  type RecordOf,
  requiredNumberField,
  textField,
  wordField,
} from "./codec.ts";

export const BUILD_STATES = ["building", "ready", "deleting", "failed"] as const;
export type BuildState = (typeof BUILD_STATES)[number];

export const UPLOAD_STATES = ["uploading", "ready", "deleting", "failed"] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];

const BUILD_FIELDS = {
  state: wordField("state", BUILD_STATES),
  stateTime: requiredNumberField("state_time", 0),
  builder: omitWhenNull(textField("builder")),
  builderId: omitWhenNull(textField("builder_id")),
  /** Comma-joined and sorted, as `qcow2,raw`. */
  formats: omitWhenNull(textField("formats")),
  username: textField("username", "zuul"),
  pythonPath: textField("python_path", "/usr/bin/python2"),
  shellType: textField("shell_type"),
  /** Why it failed: ours, Nodepool keeps no such thing. */
  error: omitWhenNull(textField("error")),
} as const;

/** An image build's document; `stateTime` is in seconds since the epoch. */
export type BuildRecord = RecordOf<typeof BUILD_FIELDS>;

const UPLOAD_FIELDS = {
  state: wordField("state", UPLOAD_STATES),
  stateTime: requiredNumberField("state_time", 0),
  externalId: textField("external_id"),
  externalName: textField("external_name"),
  format: textField("format"),
  username: textField("username", "zuul"),
  pythonPath: textField("python_path", "/usr/bin/python2"),
  shellType: textField("shell_type"),
  /** Why it failed: ours, Nodepool keeps no such thing. */
  error: omitWhenNull(textField("error")),
} as const;

/** An image upload's document; build, provider, image and number are in its path. */
export type UploadRecord = RecordOf<typeof UPLOAD_FIELDS>;

/** Reads a build's document. @throws {DocumentError} */
export function decodeBuild(data: Uint8Array): BuildRecord {
  return decodeDocument(BUILD_FIELDS, data);
}

/** Writes a build's document; `builder`, `builder_id` and `formats` are left out while unknown. */
export function encodeBuild(record: BuildRecord): Uint8Array {
  return encodeDocument(BUILD_FIELDS, record);
}

/** A build that starts at `now` (seconds); who connects how is known only when it ends. */
export function newBuild(now: number, given: Partial<BuildRecord>): BuildRecord {
  const unknown = { username: null, pythonPath: null, shellType: null };
  return blankRecord(BUILD_FIELDS, { state: "building", stateTime: now, ...unknown, ...given });
}

/** Reads an upload's document. @throws {DocumentError} */
export function decodeUpload(data: Uint8Array): UploadRecord {
  return decodeDocument(UPLOAD_FIELDS, data);
}

/** Writes an upload's document. */
export function encodeUpload(record: UploadRecord): Uint8Array {
  return encodeDocument(UPLOAD_FIELDS, record);
}

/** An upload that starts at `now` (seconds). */
export function newUpload(now: number, given: Partial<UploadRecord>): UploadRecord {
  const unknown = { username: null, pythonPath: null, shellType: null };
  return blankRecord(UPLOAD_FIELDS, { state: "uploading", stateTime: now, ...unknown, ...given });
}

/** The formats of a build as a list. */
export function formatsOf(build: Pick<BuildRecord, "formats">): string[] {
  return build.formats ? build.formats.split(",") : [];
}
