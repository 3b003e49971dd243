import { type Cursor, describe } from "./cursor.ts";
import { didYouMean } from "./nearest.ts";

// What a key of the file may hold. A kind reads a value, reports what is wrong with it where it stands, and gives
// undefined when the value cannot be used. It tells as well what it takes, as JSON Schema has it.

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Kind<T> {
  (at: Cursor): T | undefined;
  readonly json: JsonSchema;
  /** Whether a key that has nothing is as good as one that is left out. */
  readonly takesNothing?: boolean;
}

/** A kind of what it takes and how it is read. */
export function kind<T>(json: JsonSchema, read: (at: Cursor) => T | undefined): Kind<T> {
  return Object.assign((at: Cursor) => read(at), { json });
}

/** A name or the like. What YAML takes for a number or a truth value is taken as it is written, with a warning. */
export const text: Kind<string> = kind({ type: "string" }, (at) => {
  if (at.value.kind !== "scalar") return at.refuse("a text");
  if (typeof at.value.value !== "string") {
    at.warning(`is read by YAML as ${describe(at.value)}; write it in quotes to make it a text`);
  }
  return at.value.text;
});

/** A name that stands in documents only. */
export const title: Kind<string> = kind({ type: "string", minLength: 1 }, (at) => {
  const value = text(at);
  return value === "" ? at.error("must not be empty") : value;
});

/** A name that becomes a part of paths. */
export const name: Kind<string> = kind({ type: "string", pattern: "^(?!\\.{1,2}$)[^/]+$" }, (at) => {
  const value = title(at);
  if (value === undefined) return undefined;
  if (value.includes("/") || value === "." || value === "..") {
    return at.refuse('a name without "/"', ": it becomes part of paths");
  }
  return value;
});

/** What no path in ZooKeeper may have (its PathUtils.validatePath), which leaves out what lies beyond U+FFFF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const NOT_IN_ZOOKEEPER = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/** A name that becomes a part of paths in ZooKeeper. */
export const recordName: Kind<string> = kind(name.json, (at) => {
  const value = name(at);
  const odd = value === undefined ? undefined : NOT_IN_ZOOKEEPER.exec(value);
  if (!odd) return value;
  const code = value?.codePointAt(odd.index)?.toString(16).toUpperCase().padStart(4, "0");
  return at.error(`has U+${code}, which ZooKeeper takes in no path: leave it out`);
});

/** A file or a folder. An empty text names none, as when a variable of the environment is empty. */
export const path: Kind<string> = kind(text.json, (at) => text(at) || undefined);

/** A release: a text, or a number as Python prints it. */
export const release: Kind<string> = kind({ type: ["string", "number"] }, (at) => {
  if (at.value.kind !== "scalar") return at.refuse("a text or a number");
  if (typeof at.value.value !== "number") return at.value.text;
  const number = at.value.value;
  const isWholeFloat = Number.isInteger(number) && at.value.text.includes(".");
  const value = `${number}${isWholeFloat ? ".0" : ""}`;
  if (value !== at.value.text) {
    at.warning(`is the number ${value} to YAML; write it in quotes to keep it as ${at.value.text}`);
  }
  return value;
});

export const boolean: Kind<boolean> = kind({ type: "boolean" }, (at) => {
  if (at.value.kind === "scalar" && typeof at.value.value === "boolean") return at.value.value;
  const quoted = at.value.kind === "scalar" && /^(true|false|yes|no|on|off)$/i.test(at.value.text);
  return at.refuse("true or false", quoted ? "; remove the quotes" : "");
});

export interface Range {
  readonly minimum?: number;
  readonly maximum?: number;
  /** As "seconds" or "a port". */
  readonly unit?: string;
  /** Whether less counts as the minimum, with a warning, where Nodepool takes any number. */
  readonly raises?: boolean;
}

/** A whole number; a text of digits is taken for one, with a warning. */
export function integer(range: Range = {}): Kind<number> {
  return numeric("integer", "a whole number", Number.isSafeInteger, /^-?\d+$/, range);
}

/** What Python's `float` takes of what YAML 1.1 reads as a text: "0.5", and 1e-3 as well. */
const FLOAT = /^\s*[-+]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+)?\s*$/i;

/** A number with or without a fraction; a text that Python takes for one is taken for it, with a warning. */
export function number(range: Range = {}): Kind<number> {
  return numeric("number", "a number", Number.isFinite, FLOAT, range);
}

function numeric(
  type: "integer" | "number",
  what: string,
  fits: (value: number) => boolean,
  written: RegExp,
  range: Range,
): Kind<number> {
  const { minimum = -Infinity, maximum = Infinity, unit, raises = false } = range;
  const bounds =
    maximum !== Infinity
      ? ` from ${minimum} to ${maximum}`
      : minimum !== -Infinity
        ? ` of ${minimum} or more`
        : "";
  const allowed = `${what}${unit === undefined ? "" : ` (${unit})`}${bounds}`;
  const json = {
    type,
    ...(minimum === -Infinity ? {} : { minimum }),
    ...(maximum === Infinity ? {} : { maximum }),
    ...(unit === undefined ? {} : { $comment: unit }),
  };
  return kind(json, (at) => {
    const scalar = at.value.kind === "scalar" ? at.value : null;
    const isText = typeof scalar?.value === "string" && written.test(scalar.value);
    const value = isText ? Number(scalar.text.replaceAll("_", "")) : scalar?.value;
    if (typeof value !== "number" || !fits(value) || (value < minimum && !raises) || value > maximum)
      return at.refuse(allowed);
    if (value < minimum) {
      at.warning(`is ${describe(at.value)}, which counts as ${minimum}; write ${minimum} or more`);
      return minimum;
    }
    if (isText && !scalar.source.isInterpolated(scalar.start, scalar.end)) {
      at.warning(`is a text to YAML, taken as the number ${value}; write ${value}, without quotes`);
    }
    return value;
  });
}

export const seconds = integer({ unit: "seconds" });
export const timeout = integer({ unit: "seconds", minimum: 1, raises: true });
export const retries = integer({ minimum: 0, raises: true });
export const port = integer({ unit: "a port", minimum: 1, maximum: 65535 });
/** A limit on a count; zero or less closes what it limits. */
export const limit = integer();
export const mebibytes = integer({ unit: "MiB" });
export const gigabytes = integer({ unit: "GB", minimum: 1 });

export function oneOf<T extends string>(...allowed: readonly T[]): Kind<T> {
  return kind({ enum: allowed }, (at) => {
    const found = at.text() ?? "";
    const match = allowed.find((word) => word === found);
    if (match !== undefined) return match;
    return at.refuse(`one of ${allowed.join(", ")}`, didYouMean(found, allowed));
  });
}

/** Whether an entry of a list or a mapping has something. One that has nothing is left out, with a warning. */
function isFilled(at: Cursor): boolean {
  if (at.isNothing) at.warning("has no value, so it is left out; remove it, or give it one");
  return !at.isNothing;
}

/** A list; entries that cannot be used are left out. */
export function list<T>(item: Kind<T>): Kind<T[]> {
  return kind({ type: "array", items: item.json }, (at) => {
    if (at.value.kind !== "list") {
      const remedy = at.value.kind === "scalar" ? "; write it as [VALUE]" : "; begin each entry with a dash";
      return at.refuse("a list", remedy);
    }
    return at
      .places()
      .filter(isFilled)
      .flatMap((each) => item(each) ?? []);
  });
}

const TEXTS = { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } };

/** Words to texts, as environment variables; what is not a text is taken as it is written. */
export const texts: Kind<Record<string, string>> = textsOr((place) => place.refuse("a text"));

/**
 * Words to texts that are handed on to a cloud or written down. A list or a mapping among them, which Nodepool loads
 * as well, is handed on as JSON: with a warning, but for the list of a key of `lists`, which the cloud takes as one.
 */
export function properties(...lists: readonly string[]): Kind<Record<string, string>> {
  const read = textsOr((place, key) => {
    const json = JSON.stringify(place.plain());
    if (place.value.kind !== "list" || !lists.includes(key)) {
      place.warning(`is ${describe(place.value)}, which is handed on as JSON; write a text`);
    }
    return json;
  });
  if (lists.length === 0) return read;
  const patternProperties = { [`^(?:${lists.join("|")})$`]: { type: "array", items: { type: "string" } } };
  return kind({ ...read.json, patternProperties }, read);
}

function textsOr(other: (place: Cursor, key: string) => string | undefined): Kind<Record<string, string>> {
  return kind(TEXTS, (at) => {
    if (at.value.kind !== "map") return at.refuse("a mapping of names to texts");
    const entries: [string, string][] = [];
    for (const [key, place] of at.entries()) {
      if (!isFilled(place)) continue;
      const value = place.value.kind === "scalar" ? place.value.text : other(place, key);
      if (value !== undefined) entries.push([key, value]);
    }
    return Object.fromEntries(entries);
  });
}

/** Words to whole numbers, as limits of resources that have no key of their own. */
export const counts: Kind<Record<string, number>> = kind(
  { type: "object", additionalProperties: { type: "integer" } },
  (at) => {
    if (at.value.kind !== "map") return at.refuse("a mapping of names to whole numbers");
    const entries: [string, number][] = [];
    for (const [key, value] of at.entries()) {
      const count = isFilled(value) ? limit(value) : undefined;
      if (count !== undefined) entries.push([key, count]);
    }
    return Object.fromEntries(entries);
  },
);

/** What is handed to an API that knows what it is. */
export const anything: Kind<unknown> = kind({}, (at) => at.plain());

/** A mapping that is handed on as it stands. */
export const anyMapping: Kind<Readonly<Record<string, unknown>>> = kind({ type: "object" }, (at) =>
  at.value.kind === "map" ? (at.plain() as Readonly<Record<string, unknown>>) : at.refuse("a mapping"),
);

/** One word, or a list of words. Taken as it is written. */
export const textOrTexts: Kind<string | string[]> = either(text, list(text));

/** What Nodepool's validator takes an explicit null for as well. */
export function nothingOr<T>(other: Kind<T>): Kind<T> {
  const json = { anyOf: [other.json, { type: "null" }] };
  return Object.assign(kind(json, other), { takesNothing: true });
}

/** One kind for a word, another for what has parts. */
export function either<A, B>(scalar: Kind<A>, parts: Kind<B>): Kind<A | B> {
  return kind<A | B>({ anyOf: [scalar.json, parts.json] }, (at) =>
    at.value.kind === "scalar" ? scalar(at) : parts(at),
  );
}
