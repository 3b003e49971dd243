// Resource names, as images/{image}/builds/{build}: the pattern is written once and read in both directions.
import { invalidArgument } from "./errors.ts";

/** Characters of a name: one that is longer is no resource's, and ZooKeeper would not take its path. */
const LONGEST = 2000;

const VARIABLE = /^\{(\w+)\}$/;

/** What is between two slashes of a pattern: a text that stands for itself, or a variable. */
interface Part {
  readonly text: string;
  readonly variable: string | null;
}

/** Kept: there are few patterns, and many names. */
const PARTS = new Map<string, readonly Part[]>();

function partsOf(pattern: string): readonly Part[] {
  const known = PARTS.get(pattern);
  if (known !== undefined) return known;
  const parts = pattern.split("/").map((text) => ({ text, variable: VARIABLE.exec(text)?.[1] ?? null }));
  PARTS.set(pattern, parts);
  return parts;
}

/** The names of the variables in a pattern. */
type Variables<Pattern extends string> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Variables<Rest>
  : never;

/** The values of a pattern's variables. */
export type NameValues<Pattern extends string> = Readonly<Record<Variables<Pattern>, string>>;

/**
 * The values of the pattern's variables in a resource name. A value is one path segment that ZooKeeper could hold.
 *
 * @param field the request's field that holds the name, for the error. Default: `name`
 * @throws INVALID_ARGUMENT when the name does not fit
 */
export function parseName<const Pattern extends string>(
  pattern: Pattern,
  name: string,
  field = "name",
): NameValues<Pattern> {
  if (name.length > LONGEST) {
    throw invalidArgument(field, `has ${name.length} characters: expected ${pattern} of at most ${LONGEST}`);
  }
  const parts = partsOf(pattern);
  const segments = name.split("/");
  const values: Record<string, string> = {};
  const fits =
    parts.length === segments.length &&
    parts.every(({ text, variable }, index) => {
      const segment = segments[index] ?? "";
      if (variable === null) return text === segment;
      values[variable] = segment;
      return isSegment(segment);
    });
  if (!fits) throw invalidArgument(field, `'${name.slice(0, 200)}' does not fit: expected ${pattern}`);
  return values as NameValues<Pattern>;
}

/** The resource name with these values. */
export function formatName<const Pattern extends string>(
  pattern: Pattern,
  values: NameValues<Pattern>,
): string {
  const byName: Readonly<Record<string, string>> = values;
  return partsOf(pattern)
    .map(({ text, variable }) => (variable === null ? text : (byName[variable] ?? text)))
    .join("/");
}

function isSegment(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ZooKeeper refuses them in paths
  return text !== "" && text !== "." && text !== ".." && !/[\u0000-\u001f\u007f-\u009f]/.test(text);
}
