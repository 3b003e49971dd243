// Reads and writes the JSON documents in Nodepool's znodes, field by field from a table.
//
// Invariants:
//   C1. A key that the table does not name is kept and written back unchanged (`extra`), and so is what is within a
//       value, whole numbers too that JavaScript's numbers cannot hold (exact_json.ts).
//   C2. A missing key reads as the table's default; a value of a wrong type is refused with the key, what was
//       found and what was expected. The caller adds the znode's path.
//   C3. Bytes that were written here are not read anew, they give the record that was written: most of what a daemon
//       hears of is its own writes. So neither bytes nor records are ever changed.

import { utf8 } from "../std/utf8.ts";
import { parseExactly, plainNumber } from "./exact_json.ts";

/** A document in ZooKeeper that cannot be understood. `message` names the key, the value and what is expected. */
export class DocumentError extends Error {
  override name = "DocumentError";
}

type Json = Readonly<Record<string, unknown>>;

/** How one key of a document is read and written. */
export interface Field<T> {
  /** The key in the JSON document. */
  readonly key: string;
  /** Turns the JSON value (undefined when the key is missing) into the record's value. */
  readonly read: (value: unknown) => T;
  /** When true, the key is left out of the document while its value is null. */
  readonly omitNull: boolean;
}

/** A document's fields by the name that they have in the record. */
export type FieldTable = Readonly<Record<string, Field<unknown>>>;

/** Keys that this version does not know; they are written back as they were read. */
export interface Extra {
  readonly extra: Readonly<Record<string, unknown>>;
}

/** The record that a field table describes. */
export type RecordOf<Table extends FieldTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Field<infer T> ? T : never;
} & Extra;

/** A value as a message quotes it. */
export function describe(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? "nothing";
  } catch {
    // Parsing goes to any depth, writing does not.
    text = "something nested too deeply";
  }
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function field<T>(
  key: string,
  expected: string,
  absent: T,
  accept: (value: unknown) => T | undefined,
): Field<T> {
  return {
    key,
    omitNull: false,
    read: (value) => {
      if (value === undefined) return absent;
      const accepted = accept(value);
      if (accepted === undefined)
        throw new DocumentError(`'${key}' is ${describe(value)}: expected ${expected}`);
      return accepted;
    },
  };
}

/** A string, or null; null when the key is missing, unless `absent` says otherwise. */
export function textField(key: string, absent: string | null = null): Field<string | null> {
  return field(key, "a string or null", absent, (value) =>
    typeof value === "string" || value === null ? value : undefined,
  );
}

/** A number, or null; null when the key is missing. */
export function numberField(key: string): Field<number | null> {
  return field<number | null>(key, "a number or null", null, (value) =>
    typeof value === "number" || value === null ? value : undefined,
  );
}

/** A number that is `absent` when the key is missing or null. */
export function requiredNumberField(key: string, absent: number): Field<number> {
  return field(key, "a number", absent, (value) => {
    if (value === null) return absent;
    return typeof value === "number" ? value : undefined;
  });
}

/** true or false; `absent` when the key is missing or null. */
export function booleanField(key: string, absent: boolean): Field<boolean> {
  return field(key, "true or false", absent, (value) => {
    if (value === null) return absent;
    return typeof value === "boolean" ? value : undefined;
  });
}

/** A list of strings; empty when missing or null. A bare string is read as a list of one (old Nodepool data). */
export function textListField(key: string): Field<readonly string[]> {
  return field<readonly string[]>(key, "a list of strings", [], (value) => {
    if (value === null) return [];
    if (typeof value === "string") return [value];
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  });
}

/** An object, or null. */
export function objectField(key: string): Field<Readonly<Record<string, unknown>> | null> {
  return field<Readonly<Record<string, unknown>> | null>(key, "an object or null", null, (value) => {
    if (value === null) return null;
    return typeof value === "object" && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  });
}

/** Any JSON value; null when missing. */
export function anyField(key: string): Field<unknown> {
  return field<unknown>(key, "a JSON value", null, (value) => value);
}

/** One of a fixed set of words. The key must be present. */
export function wordField<const Words extends readonly string[]>(
  key: string,
  words: Words,
): Field<Words[number]> {
  return {
    key,
    omitNull: false,
    read: (value) => {
      const word = words.find((candidate) => candidate === value);
      if (word !== undefined) return word;
      throw new DocumentError(`'${key}' is ${describe(value)}: expected one of ${words.join(", ")}`);
    },
  };
}

/** The same field, left out of the document while it is null. */
export function omitWhenNull<T>(inner: Field<T>): Field<T> {
  return { ...inner, omitNull: true };
}

/** What of a table is gone through for each document; kept, for there are few tables and many documents. */
interface Plan {
  readonly fields: readonly (readonly [name: string, field: Field<unknown>])[];
  readonly keys: ReadonlySet<string>;
  /** A document with every key: a copy of it is quicker to fill than an empty one. */
  readonly blank: Readonly<Record<string, unknown>>;
}

/** Under this the bytes that were written here keep what they were written from. (A WeakMap costs as much as parsing.) */
const ORIGIN = Symbol("origin");

/** What bytes were written from. */
interface Origin {
  readonly table: FieldTable;
  readonly record: Extra;
}

type OwnBytes = Uint8Array & { readonly [ORIGIN]?: Origin };

const PLANS = new WeakMap<FieldTable, Plan>();
const NO_EXTRA: Extra["extra"] = Object.freeze({});
const DECODER = new TextDecoder();

function planOf(table: FieldTable): Plan {
  const known = PLANS.get(table);
  if (known !== undefined) return known;
  const fields = Object.entries(table);
  const keys = fields.map(([, { key }]) => key);
  const blank = Object.fromEntries(keys.map((key) => [key, undefined]));
  const plan: Plan = { fields, keys: new Set(keys), blank };
  PLANS.set(table, plan);
  return plan;
}

/** Reads a document. @throws {DocumentError} when it is no JSON object or a value has a wrong type. */
export function decodeDocument<Table extends FieldTable>(table: Table, data: Uint8Array): RecordOf<Table> {
  const origin = (data as OwnBytes)[ORIGIN];
  if (origin?.table === table) return origin.record as RecordOf<Table>;
  const document = parseObject(DECODER.decode(data));
  const { fields, keys } = planOf(table);
  // The copy of the table has every name already: filling it is quick, and the record stays small.
  const record: Record<string, unknown> = { ...table, extra: NO_EXTRA };
  let known = 0;
  for (const [name, { key, read }] of fields) {
    const value = document[key];
    if (value !== undefined) known += 1;
    record[name] = read(plainNumber(value));
  }
  const all = Object.keys(document);
  if (all.length > known) {
    // Not an object literal: a key may be `__proto__`.
    record.extra = Object.fromEntries(all.filter((key) => !keys.has(key)).map((key) => [key, document[key]]));
  }
  return record as RecordOf<Table>;
}

function parseObject(text: string): Json {
  let document: unknown;
  try {
    document = parseExactly(text);
  } catch {
    throw new DocumentError(`the data is ${describe(text)}: expected a JSON object`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new DocumentError(`the data is ${describe(document)}: expected a JSON object`);
  }
  return document as Json;
}

/**
 * Writes a document: the table's keys in the table's order, then the unknown ones.
 *
 * @throws {DocumentError} when what was read is nested too deeply to be written
 */
export function encodeDocument<Table extends FieldTable>(table: Table, record: RecordOf<Table>): Uint8Array {
  const { fields, blank } = planOf(table);
  const known: Record<string, unknown> = { ...blank };
  for (const [name, { key, omitNull }] of fields) {
    // What is undefined is not written.
    known[key] = (record as Record<string, unknown>)[name] ?? (omitNull ? undefined : null);
  }
  const { extra } = record;
  const document = extra === NO_EXTRA ? known : { ...known, ...extra };
  const data = utf8(write(document));
  const origin: Origin = { table, record };
  // Not to be seen by whoever compares bytes.
  return Object.defineProperty(data, ORIGIN, { value: origin });
}

function write(document: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(document);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DocumentError("the data is nested too deeply to be written back");
  }
}

/** A record whose every field has its default, for building new ones. `state` and the like come from `given`. */
export function blankRecord<Table extends FieldTable>(
  table: Table,
  given: Partial<RecordOf<Table>>,
): RecordOf<Table> {
  const record: Record<string, unknown> = { ...table, extra: given.extra ?? NO_EXTRA };
  for (const [name, { read }] of planOf(table).fields) {
    const value = (given as Record<string, unknown>)[name];
    record[name] = value === undefined ? read(undefined) : value;
  }
  return record as RecordOf<Table>;
}
