// JSON in which no whole number is changed by being read and written back.
//
// Python writes whole numbers of any length, and Zuul does: a request's `requestor_data` has the number of its trace
// (128 bits), of its span (64 bits) and a time in nanoseconds. JavaScript's numbers are exact to 53 bits, and with one
// bit changed Zuul ends another span, or none.

/** Numbers below this length are exact. Most documents have no longer ones, and are parsed the quick way. */
const LONG_NUMBER = /\d{16}/;
const WHOLE = /^-?\d+$/;

/** The part of JSON that TypeScript's library does not know yet. */
interface ExactJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  /** An object that `JSON.stringify` writes as this text. */
  rawJSON(text: string): object;
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
}

const json = JSON as unknown as ExactJson;

/**
 * Parses JSON. A whole number that would be changed is an object, which `JSON.stringify` writes as the number that it
 * was; {@link plainNumber} gives the number that comes nearest.
 * @throws {SyntaxError}
 */
export function parseExactly(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return json.parse(text, (_key, value, { source = "" }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && WHOLE.test(source)
      ? json.rawJSON(source)
      : value,
  );
}

/** The value, as a number where {@link parseExactly} has kept one as an object. */
export function plainNumber(value: unknown): unknown {
  return typeof value === "object" && value !== null && json.isRawJSON(value) ? Number(value.rawJSON) : value;
}
