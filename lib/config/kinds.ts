import { plain, type Value } from "./document.ts";
import { didYouMean } from "./nearest.ts";
import type { Problems } from "./problems.ts";

// What a key of the file may hold. A kind reads a value, reports what is wrong with it where it stands, and gives
// undefined when the value cannot be used.

export type Kind<T> = (at: Cursor) => T | undefined;

/** A value within the file, with the path to it. */
export class Cursor {
  readonly value: Value;
  readonly path: string;
  readonly problems: Problems;

  constructor(value: Value, path: string, problems: Problems) {
    this.value = value;
    this.path = path;
    this.problems = problems;
  }

  error(message: string): undefined {
    this.problems.error(this.value, this.path, message);
  }

  warning(message: string): void {
    this.problems.warning(this.value, this.path, message);
  }

  /** Says that the value is not what is allowed there. `remedy` completes the sentence. */
  refuse(allowed: string, remedy = ""): undefined {
    return this.error(`must be ${allowed}, but is ${describe(this.value)}${remedy}`);
  }

  /** The value of a key, or null when the key is not there or has nothing. */
  key(name: string): Cursor | null {
    if (this.value.kind !== "map") return null;
    const entry = this.value.entries.get(name);
    if (entry === undefined || isNothing(entry.value)) return null;
    return new Cursor(entry.value, this.path === "" ? name : `${this.path}.${name}`, this.problems);
  }

  item(index: number, value: Value): Cursor {
    return new Cursor(value, `${this.path}[${index}]`, this.problems);
  }
}

/** What stands there, for people; the value itself only when it is in the file for everyone to see. */
export function describe(value: Value): string {
  if (value.kind === "map") return "a mapping";
  if (value.kind === "list") return "a list";
  if (value.value === null) return "nothing";
  const kind = { string: "the text", number: "the number", boolean: "the truth value" }[
    typeof value.value as "string"
  ];
  if (value.source.secret || value.source.isInterpolated(value.start, value.end))
    return `${kind} (not shown)`;
  const text = value.text.length > 60 ? `${value.text.slice(0, 60)}...` : value.text;
  return typeof value.value === "string" ? `${kind} ${JSON.stringify(text)}` : `${kind} ${text}`;
}

function isNothing(value: Value): boolean {
  return value.kind === "scalar" && value.value === null;
}

/** A name or the like. What YAML takes for a number or a truth value is taken as it is written, with a warning. */
export const text: Kind<string> = (at) => {
  if (at.value.kind !== "scalar") return at.refuse("a text");
  if (typeof at.value.value !== "string") {
    at.warning(`is read by YAML as ${describe(at.value)}; write it in quotes to make it a text`);
  }
  return at.value.text;
};

/** A name that becomes a part of paths. */
export const name: Kind<string> = (at) => {
  const value = text(at);
  if (value === undefined) return undefined;
  if (value === "") return at.error("must not be empty");
  if (value.includes("/") || value === "." || value === "..") {
    return at.refuse('a name without "/"', ": it becomes part of paths");
  }
  return value;
};

/** A release: a text, or a number as Python prints it. */
export const release: Kind<string> = (at) => {
  if (at.value.kind !== "scalar") return at.refuse("a text or a number");
  if (typeof at.value.value !== "number") return at.value.text;
  const value = String(at.value.value);
  if (value !== at.value.text) {
    at.warning(`is the number ${value} to YAML; write it in quotes to keep it as ${at.value.text}`);
  }
  return value;
};

export const boolean: Kind<boolean> = (at) => {
  if (at.value.kind === "scalar" && typeof at.value.value === "boolean") return at.value.value;
  const quoted = at.value.kind === "scalar" && /^(true|false|yes|no|on|off)$/i.test(at.value.text);
  return at.refuse("true or false", quoted ? "; remove the quotes" : "");
};

export interface Range {
  readonly minimum?: number;
  readonly maximum?: number;
  /** As "seconds" or "a port". */
  readonly unit?: string;
}

/** A whole number; a text of digits is taken for one, with a warning. */
export function integer(range: Range = {}): Kind<number> {
  return numeric("a whole number", Number.isSafeInteger, /^-?\d+$/, range);
}

/** A number with or without a fraction. */
export function number(range: Range = {}): Kind<number> {
  return numeric("a number", Number.isFinite, /^-?\d+(\.\d+)?$/, range);
}

function numeric(
  what: string,
  fits: (value: number) => boolean,
  quoted: RegExp,
  { minimum = -Infinity, maximum = Infinity, unit }: Range,
): Kind<number> {
  const bounds =
    maximum !== Infinity
      ? ` from ${minimum} to ${maximum}`
      : minimum !== -Infinity
        ? ` of ${minimum} or more`
        : "";
  const allowed = `${what}${unit === undefined ? "" : ` (${unit})`}${bounds}`;
  return (at) => {
    const scalar = at.value.kind === "scalar" ? at.value : null;
    const isQuoted = typeof scalar?.value === "string" && quoted.test(scalar.value);
    const value = isQuoted ? Number(scalar?.value) : scalar?.value;
    if (typeof value !== "number" || !fits(value) || value < minimum || value > maximum)
      return at.refuse(allowed);
    if (isQuoted && scalar !== null && !scalar.source.isInterpolated(scalar.start, scalar.end)) {
      at.warning(`is a text of digits, taken as the number ${value}; remove the quotes`);
    }
    return value;
  };
}

export function oneOf<T extends string>(...allowed: readonly T[]): Kind<T> {
  return (at) => {
    const found = at.value.kind === "scalar" ? at.value.text : "";
    const match = allowed.find((word) => word === found);
    if (match !== undefined) return match;
    return at.refuse(`one of ${allowed.join(", ")}`, didYouMean(found, allowed));
  };
}

/** A list; entries that cannot be used are left out. */
export function list<T>(kind: Kind<T>): Kind<T[]> {
  return (at) => {
    if (at.value.kind !== "list") {
      const remedy = at.value.kind === "scalar" ? "; write it as [VALUE]" : "; begin each entry with a dash";
      return at.refuse("a list", remedy);
    }
    return at.value.items.flatMap((item, index) => kind(at.item(index, item)) ?? []);
  };
}

/** Words to texts, as environment variables and metadata; what is not a text is taken as it is written. */
export const texts: Kind<Record<string, string>> = (at) => {
  if (at.value.kind !== "map") return at.refuse("a mapping of names to texts");
  const entries: [string, string][] = [];
  for (const [key, { value }] of at.value.entries) {
    if (value.kind === "scalar") entries.push([key, value.text]);
    else new Cursor(value, `${at.path}.${key}`, at.problems).refuse("a text");
  }
  return Object.fromEntries(entries);
};

/** The value of one key beside those that a mapping has read. */
export function read<T>(at: Cursor, key: string, kind: Kind<T>): T | undefined {
  const child = at.key(key);
  return child === null ? undefined : kind(child);
}

/** A mapping as it stands in the file, for who knows its keys. */
export function settings(at: Cursor): Record<string, unknown> {
  const value = plain(at.value);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** A key of a mapping. */
export interface Field<T> {
  readonly kind: Kind<T>;
  readonly required: boolean;
  readonly fallback: unknown;
}

export function required<T>(kind: Kind<T>): Field<T> {
  return { kind, required: true, fallback: undefined };
}

/** A key that may be left out; `fallback` is then its value. */
export function optional<T>(kind: Kind<T>): Field<T | undefined>;
export function optional<T, F>(kind: Kind<T>, fallback: F): Field<T | F>;
export function optional<T>(kind: Kind<T>, fallback?: unknown): Field<T> {
  return { kind, required: false, fallback };
}

type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a mapping's keys, and the mapping itself for what is looked at later. */
export type Row<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never } & {
  readonly at: Cursor;
};

/**
 * A mapping with these keys. Keys of neither `fields` nor `others` are warned of; with `others` null every key is
 * welcome. A field that cannot be read has its fallback, so that what refers to the mapping is not blamed as well.
 */
export function mapping<F extends Fields>(fields: F, others: readonly string[] | null = []): Kind<Row<F>> {
  return (at) => {
    if (at.value.kind !== "map") return at.refuse("a mapping of keys to values");
    const row: Record<string, unknown> = { at };
    let usable = true;
    for (const [key, field] of Object.entries(fields)) {
      const child = at.key(key);
      if (child === null && field.required) at.error(`${key} is missing`);
      const value = child === null ? undefined : field.kind(child);
      if (value === undefined && field.required) usable = false;
      row[key] = value ?? field.fallback;
    }
    if (others !== null) warnOfUnknown(at, [...Object.keys(fields), ...others]);
    return usable ? (row as Row<F>) : undefined;
  };
}

function warnOfUnknown(at: Cursor, known: readonly string[]): void {
  if (at.value.kind !== "map") return;
  for (const [key, entry] of at.value.entries) {
    if (known.includes(key)) continue;
    const hint = didYouMean(key, known) || (known.length > 12 ? "" : `; known here: ${known.join(", ")}`);
    const path = at.path === "" ? key : `${at.path}.${key}`;
    at.problems.warning(entry.key, path, `is not a known key and is ignored${hint}`);
  }
}
