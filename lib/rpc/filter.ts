// The filter of a List or Watch request: FIELD = VALUE, joined by AND.
import { invalidArgument } from "./errors.ts";

/** Gives for each field and value what tells whether an item fits. @throws INVALID_ARGUMENT for a value that none has */
export type FilterFields<T> = Readonly<Record<string, (value: string) => (item: T) => boolean>>;

// A quoted value, an equals sign, or a bare word.
const TOKEN = /\s*("(?:[^"\\]|\\.)*"|=|[^\s="]+)/y;
const MAX_LENGTH = 4096;

/**
 * Turns a filter into a predicate; an empty text fits everything. A value with spaces stands in double quotes.
 *
 * @throws INVALID_ARGUMENT that names the place and what is allowed
 */
export function parseFilter<T>(text: string, fields: FilterFields<T>): (item: T) => boolean {
  const tokens = tokenise(text.trim());
  const conditions: ((item: T) => boolean)[] = [];
  for (let at = 0; at < tokens.length; at += 4) {
    const [field, equals, value, and] = tokens.slice(at, at + 4);
    const isLast = at + 3 >= tokens.length;
    if (field === undefined || equals !== "=" || value === undefined || value === "=") {
      const found = tokens.slice(at, at + 3).join(" ");
      throw invalidArgument("filter", `'${found}' is no condition: expected FIELD = VALUE, joined by AND`);
    }
    if (!isLast && (and !== "AND" || tokens.length === at + 4)) {
      throw invalidArgument("filter", `'${and}' after '${field} = ${value}': expected AND and a condition`);
    }
    conditions.push(condition(field, unquote(value), fields));
  }
  return (item) => conditions.every((fits) => fits(item));
}

function condition<T>(field: string, value: string, fields: FilterFields<T>): (item: T) => boolean {
  const fits = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (fits === undefined) {
    const allowed = Object.keys(fields).join(", ");
    throw invalidArgument("filter", `there is no field '${field}': expected one of ${allowed}`);
  }
  return fits(value);
}

function tokenise(text: string): string[] {
  if (text.length > MAX_LENGTH) {
    throw invalidArgument("filter", `${text.length} characters: expected at most ${MAX_LENGTH}`);
  }
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) {
      throw invalidArgument("filter", `'${text.slice(from).trim()}' cannot be read: is a quote missing?`);
    }
    tokens.push(token);
  }
  return tokens;
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
}
