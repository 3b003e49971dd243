import type { Cursor } from "./cursor.ts";
import { type JsonSchema, type Kind, kind } from "./kinds.ts";
import { didYouMean } from "./nearest.ts";

// Mappings as tables of keys. One table is what a file is checked against, where its defaults come from, and what the
// JSON Schema and the reference for people are made of.

/** A key of a mapping. */
export interface Field<T> {
  readonly kind: Kind<T>;
  /** Without it the mapping cannot be used, or it is doubtful, or all is well. */
  readonly need: "required" | "expected" | "optional";
  readonly fallback: unknown;
  /** What it is for, in a sentence. */
  readonly about: string;
}

/** A key without which the mapping cannot be used. */
export function required<T>(kind: Kind<T>, about = ""): Field<T> {
  return { kind, need: "required", fallback: undefined, about };
}

/** A key whose absence is warned of: Nodepool loads the file without it, and refuses to validate it. */
export function expected<T>(kind: Kind<T>, about = ""): Field<T | undefined> {
  return { kind, need: "expected", fallback: undefined, about };
}

/** A key that may be left out; `fallback` is then its value. */
export function optional<T>(kind: Kind<T>, fallback?: undefined, about?: string): Field<T | undefined>;
export function optional<T, F>(kind: Kind<T>, fallback: F, about?: string): Field<T | F>;
export function optional<T>(kind: Kind<T>, fallback?: unknown, about = ""): Field<T> {
  return { kind, need: "optional", fallback, about };
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** The values of a mapping's keys, and the mapping itself for what is looked at later. */
export type Row<F extends Fields> = Values<F> & {
  readonly at: Cursor;
  /** The values of the keys that are of one driver only, with their defaults. */
  readonly own: Readonly<Record<string, unknown>>;
};

/** What a mapping has beside its fields. */
export interface Additions {
  /** Keys whose values are handed on as they were read. */
  readonly own?: Fields;
  /** Keys of `fields` that do not count here: whoever writes them is told so. */
  readonly without?: readonly string[];
  /** Whether any other key is welcome, because nobody knows them all; or what each of them holds. */
  readonly open?: boolean | JsonSchema;
  /** Looks at what no single key can tell. */
  readonly check?: (at: Cursor) => void;
}

/**
 * A mapping with these keys; of unknown ones it warns. A field that cannot be read has its fallback, so that what
 * refers to the mapping is not blamed as well. Without one of `fields` that is required there it cannot be used.
 */
export function mapping<F extends Fields>(fields: F, additions: Additions = {}): Kind<Row<F>> {
  const { own = {}, without = [], open = false, check } = additions;
  const applicable = Object.entries(fields)
    .filter(([key]) => !without.includes(key))
    .map(([key, field]) => [key, own[key] ?? field] as const);
  const fallbacks = Object.fromEntries(Object.entries(fields).map(([key, { fallback }]) => [key, fallback]));
  const extra = Object.entries(own).filter(([key]) => fields[key] === undefined);
  const known = new Set([...applicable, ...extra].map(([key]) => key));
  const needed = Object.keys(fields).filter((key) => fields[key]?.need === "required");
  const json = objectSchema([...applicable, ...extra], open);
  return kind(json, (at) => {
    if (at.value.kind !== "map") return at.refuse("a mapping of keys to values");
    const row: Record<string, unknown> = { ...fallbacks, at };
    const others: Record<string, unknown> = {};
    for (const entry of applicable) readField(at, entry, row);
    for (const entry of extra) readField(at, entry, others);
    if (open === false) warnOfUnknown(at, known);
    check?.(at);
    row.own = others;
    return needed.every((key) => row[key] !== undefined) ? (row as Row<F>) : undefined;
  });
}

/** A mapping that is handed on as plain values. */
export function record(fields: Fields, check?: (at: Cursor) => void): Kind<Record<string, unknown>> {
  const read = mapping({}, { own: fields, ...(check === undefined ? {} : { check }) });
  return kind(read.json, (at) => {
    const row = read(at);
    return row && { ...row.own };
  });
}

/** Reads a key into `row`. */
function readField(
  at: Cursor,
  [key, field]: readonly [string, Field<unknown>],
  row: Record<string, unknown>,
): void {
  const place = at.place(key);
  const child = at.key(key);
  if (child === null && field.need === "required") at.error(`${key} is missing`);
  else if (child === null && field.need === "expected") {
    at.warning(`${key} is missing; Nodepool's config-validate asks for it`);
  } else if (place !== null && child === null && field.kind.takesNothing !== true) {
    place.warning("has no value, so it is as if left out; remove the key, or give it one");
  }
  const value = (child === null ? undefined : field.kind(child)) ?? field.fallback;
  if (value !== undefined) row[key] = value;
}

function warnOfUnknown(at: Cursor, known: ReadonlySet<string>): void {
  if (at.value.kind !== "map") return;
  for (const [key, entry] of at.value.entries) {
    if (known.has(key)) continue;
    const path = at.path === "" ? key : `${at.path}.${key}`;
    at.problems.warning(entry.key, path, () => {
      const hint =
        didYouMean(key, known) || (known.size > 12 ? "" : `; known here: ${[...known].join(", ")}`);
      return `is not a known key and is ignored${hint}`;
    });
  }
}

function objectSchema(
  fields: readonly (readonly [string, Field<unknown>])[],
  open: boolean | JsonSchema,
): JsonSchema {
  const required = fields.filter(([, { need }]) => need === "required").map(([key]) => key);
  const properties = fields.map(([key, field]) => {
    const { kind, about, fallback } = field;
    const note = about === "" ? {} : { description: about };
    const base = typeof fallback === "object" || fallback === undefined ? {} : { default: fallback };
    return [key, { ...kind.json, ...base, ...note }] as const;
  });
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length === 0 ? {} : { required }),
    ...(open === true ? {} : { additionalProperties: open }),
  };
}

/** The value of one key beside those that a mapping has read. */
export function read<T>(at: Cursor, key: string, kind: Kind<T>): T | undefined {
  const child = at.key(key);
  return child === null ? undefined : kind(child);
}

/** A mapping as it stands in the file, for who knows its keys. */
export function plainKeys(at: Cursor): Record<string, unknown> {
  const value = at.plain();
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Warns unless exactly one of the keys is there. */
export function exactlyOne(at: Cursor, keys: readonly string[]): void {
  const given = at.given(keys);
  if (given.length === 1) return;
  const found = given.length === 0 ? "none is there" : `${given.join(" and ")} are there`;
  at.warning(`must have exactly one of ${keys.join(", ")}, but ${found}`);
}

/** Warns unless one of the keys is there. */
export function atLeastOne(at: Cursor, keys: readonly string[]): void {
  if (at.given(keys).length === 0)
    at.warning(`must have at least one of ${keys.join(", ")}, but none is there`);
}

/** Warns of keys that do not go together. */
export function atMostOne(at: Cursor, keys: readonly string[]): void {
  const given = at.given(keys);
  if (given.length > 1)
    at.warning(`must have only one of ${keys.join(", ")}, but ${given.join(" and ")} are there`);
}
