import { plain, type Value } from "./document.ts";
import { type Report, tolerant } from "./problems.ts";

/** A value within the file, with the path to it. */
export class Cursor {
  readonly value: Value;
  readonly path: string;
  readonly problems: Report;

  constructor(value: Value, path: string, problems: Report) {
    this.value = value;
    this.path = path;
    this.problems = problems;
  }

  /** The same place, where errors are no more than warnings. */
  tolerant(): Cursor {
    return new Cursor(this.value, this.path, tolerant(this.problems));
  }

  error(message: string | (() => string)): undefined {
    this.problems.error(this.value, this.path, message);
  }

  warning(message: string | (() => string)): void {
    this.problems.warning(this.value, this.path, message);
  }

  /** Says that the value is not what is allowed there. `remedy` completes the sentence. */
  refuse(allowed: string, remedy = ""): undefined {
    return this.error(`must be ${allowed}, but is ${describe(this.value)}${remedy}`);
  }

  /** The value of a key, or null when the key is not there or has nothing. */
  key(name: string): Cursor | null {
    const place = this.place(name);
    return place?.isNothing ? null : place;
  }

  /** The value of a key, which may be nothing, or null when the key is not there. */
  place(name: string): Cursor | null {
    if (this.value.kind !== "map") return null;
    const entry = this.value.entries.get(name);
    if (entry === undefined) return null;
    return new Cursor(entry.value, this.path === "" ? name : `${this.path}.${name}`, this.problems);
  }

  /** Those of the keys that are there and have something. */
  given(names: readonly string[]): string[] {
    return names.filter((name) => this.key(name) !== null);
  }

  /** The items of a list that have something; none of what is not a list. */
  items(): Cursor[] {
    return this.places().filter((item) => !item.isNothing);
  }

  /** All items of a list, those with nothing too. */
  places(): Cursor[] {
    if (this.value.kind !== "list") return [];
    return this.value.items.map((value, index) => new Cursor(value, `${this.path}[${index}]`, this.problems));
  }

  /** All entries of a mapping, those with nothing too. */
  entries(): [key: string, value: Cursor][] {
    if (this.value.kind !== "map") return [];
    return [...this.value.entries].map(([key, { value }]) => [
      key,
      new Cursor(value, `${this.path}.${key}`, this.problems),
    ]);
  }

  /** Whether YAML reads what stands there as nothing. */
  get isNothing(): boolean {
    return this.value.kind === "scalar" && this.value.value === null;
  }

  /** The text of a scalar, or null. */
  text(): string | null {
    return this.value.kind === "scalar" ? this.value.text : null;
  }

  /** What stands there, as plain objects, arrays, texts, numbers and truth values. */
  plain(): unknown {
    return plain(this.value);
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
