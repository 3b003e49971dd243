import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, visit } from "yaml";
import { parseLeniently } from "./parse_yaml.ts";
import type { Problems } from "./problems.ts";
import type { Placed, Source } from "./source.ts";

/** A value of a configuration file and where it stands. Aliases are followed: a value may be in several places. */
export type Value = MapValue | ListValue | ScalarValue;

export interface MapValue extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, { readonly key: Placed; readonly value: Value }>;
}

export interface ListValue extends Placed {
  readonly kind: "list";
  readonly items: readonly Value[];
}

export interface ScalarValue extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** As written, without quotes. */
  readonly text: string;
}

/** Values that a file may have when its aliases and merges are written out: more is an attack or a mistake. */
const MAXIMUM_VALUES = 1_000_000;
/**
 * Line ends and characters that may structure a file: twenty times of what is known from large sites, and enough for
 * some 7,000 static hosts of ten lines. The parser takes a few microseconds for each, and nothing else goes on meanwhile.
 */
const MAXIMUM_MARKS = 300_000;
/** Lists and mappings that may stand in one another: a configuration has eight. */
const MAXIMUM_DEPTH = 300;

/** Reads YAML. Undefined when it is not readable (the problems say why), null for an empty file. */
export function readDocument(source: Source, problems: Problems): Value | null | undefined {
  const refusal = isTooDeep(source.text)
    ? "is nested too deeply to be a configuration"
    : tooMuchOf(source.text);
  if (refusal === null) return new DocumentReader(source, problems).read();
  problems.error({ source, start: 0, end: 0 }, "", refusal);
  return undefined;
}

/** What is to be said of a file that takes too long to parse; null for others. */
function tooMuchOf(text: string): string | null {
  const marks = text.replaceAll(/[^\n[\]{}:,?&*!|>"'%-]+/g, "").length;
  if (marks <= MAXIMUM_MARKS) return null;
  const [found, limit] = [marks, MAXIMUM_MARKS].map((count) => count.toLocaleString("en"));
  return `has ${found} line ends and marks of YAML (as : - , [ {), and ${limit} are read at most; leave out keys that have their default, or divide the providers among launchers with files of their own`;
}

/** Whether the file nests so deeply that the parser, which recurses, would run out of stack. A rough measure. */
function isTooDeep(text: string): boolean {
  let open = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (character === "[" || character === "{") open += 1;
    else if (character === "]" || character === "}") open -= 1;
    if (open > MAXIMUM_DEPTH) return true;
  }
  const compact = new RegExp(`(?:[-?:][ \\t]+){${MAXIMUM_DEPTH}}`);
  return compact.test(text) || new RegExp(`^ {${2 * MAXIMUM_DEPTH}}`, "m").test(text);
}

class DocumentReader {
  readonly #source: Source;
  readonly #problems: Problems;
  readonly #targets = new Map<Alias, Node>();
  readonly #done = new Map<Node, Value>();
  readonly #open = new Set<Node>();
  #toOriginal: (offset: number) => number = (offset) => offset;
  #merged = 0;
  #isBroken = false;

  constructor(source: Source, problems: Problems) {
    this.#source = source;
    this.#problems = problems;
  }

  read(): Value | null | undefined {
    const { document, toOriginal } = parseLeniently(this.#source.text);
    this.#toOriginal = toOriginal;
    const isIni = looksLikeIni(this.#source.text);
    for (const error of [...document.errors, ...document.warnings]) {
      const message = error.code === "MULTIPLE_DOCS" ? "a second document begins here" : error.message;
      const part = this.#part(error.pos);
      const said = this.#isHidden(part) ? unquoted(message) : message;
      this.#problems.error(part, "", `not valid YAML: ${said}${isIni ? INI_REMEDY : ""}`);
    }
    if (document.errors.length > 0 || document.warnings.length > 0) return undefined;
    if (document.contents === null) return null;

    const anchors = new Map<string, Node>();
    visit(document, {
      Node: (_key, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target !== undefined) this.#targets.set(node, target);
        } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
      },
    });
    const value = this.#convert(document.contents);
    if (this.#isBroken) return undefined;
    if (this.#merged > MAXIMUM_VALUES || expandedSize(value, new Map()) > MAXIMUM_VALUES) {
      const limit = MAXIMUM_VALUES.toLocaleString("en");
      this.#problems.error(value, "", `its aliases expand to more than ${limit} values, which is refused`);
      return undefined;
    }
    return value;
  }

  #part(range: readonly number[] | null | undefined): Placed {
    const start = this.#toOriginal(range?.[0] ?? 0);
    return { source: this.#source, start, end: Math.max(start, this.#toOriginal(range?.[1] ?? 0)) };
  }

  /** Whether what stands there may be a secret: a password may begin with a star or an exclamation mark. */
  #isHidden({ source, start, end }: Placed): boolean {
    return source.secret || source.isInterpolated(start, end);
  }

  #nothing(part: Placed): ScalarValue {
    return { ...part, kind: "scalar", value: null, text: "" };
  }

  #convert(node: unknown): Value {
    if (isAlias(node)) {
      const target = this.#targets.get(node);
      if (target !== undefined && !this.#open.has(target)) return this.#convert(target);
      const reason = target === undefined ? "is not defined above" : "contains itself";
      const part = this.#part(node.range);
      this.#isBroken = true;
      this.#problems.error(part, "", `the alias ${this.#isHidden(part) ? "" : `*${node.source} `}${reason}`);
      return this.#nothing(part);
    }
    if (isScalar(node)) {
      const part = this.#part(node.range);
      const value = node.value;
      const plain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
      const text = typeof value === "string" ? value : (node.source ?? "");
      return plain ? { ...part, kind: "scalar", value, text } : { ...this.#nothing(part), text };
    }
    if (!isMap(node) && !isSeq(node)) return this.#nothing(this.#part(null));
    const done = this.#done.get(node);
    if (done !== undefined) return done;
    this.#open.add(node);
    const value: Value = isSeq(node)
      ? { ...this.#part(node.range), kind: "list", items: node.items.map((item) => this.#convert(item)) }
      : { ...this.#part(node.range), kind: "map", entries: this.#entries(node.items) };
    this.#open.delete(node);
    this.#done.set(node, value);
    return value;
  }

  #entries(pairs: readonly Pair[]): MapValue["entries"] {
    const own = new Map<string, { key: Placed; value: Value }>();
    const merged: MapValue["entries"][] = [];
    for (const { key: keyNode, value: valueNode } of pairs) {
      const key = this.#convert(keyNode);
      const value = this.#convert(valueNode);
      if (key.kind !== "scalar") {
        this.#problems.error(key, "", "a key must be a word; write it in quotes if it begins with [ or {");
      } else if (key.text === "<<") {
        // As PyYAML has it: of several such keys the last goes first, of one key's list the first.
        merged.unshift(...this.#merges(value));
      } else {
        if (own.has(key.text)) {
          this.#problems.warning(key, key.text, "is given twice in this mapping; the last one counts");
        }
        own.set(key.text, { key, value });
      }
    }
    for (const entries of merged) {
      this.#merged += entries.size;
      if (this.#merged > MAXIMUM_VALUES) return own;
      for (const [key, entry] of entries) if (!own.has(key)) own.set(key, entry);
    }
    return own;
  }

  #merges(value: Value): MapValue["entries"][] {
    const sources = value.kind === "list" ? value.items : [value];
    return sources.flatMap((source) => {
      if (source.kind === "map") return [source.entries];
      this.#problems.error(source, "<<", "must be a mapping or a list of mappings, as *NAME of an anchor");
      return [];
    });
  }
}

const INI_REMEDY = "; it looks like an INI file: write it in YAML, as KEY: VALUE";

/** Whether the first line that says something is the head of a section. */
function looksLikeIni(text: string): boolean {
  const first = text.split("\n").find((line) => !/^\s*(?:[#;]|$)/.test(line)) ?? "";
  return /^\s*\[[\w. -]+\]\s*$/.test(first);
}

/** What the parser says, without what it repeats of the file, which stands at the end. */
function unquoted(message: string): string {
  return message.replace(/(?:: | %| \\| (?=\d)).*$/s, "");
}

function expandedSize(value: Value, known: Map<Value, number>): number {
  const before = known.get(value);
  if (before !== undefined) return before;
  let size = 1;
  if (value.kind === "list") for (const item of value.items) size += expandedSize(item, known);
  if (value.kind === "map")
    for (const entry of value.entries.values()) size += expandedSize(entry.value, known);
  known.set(value, size);
  return size;
}

/** The value as plain objects, arrays, texts, numbers and booleans. */
export function plain(value: Value): unknown {
  if (value.kind === "scalar") return value.value;
  if (value.kind === "list") return value.items.map(plain);
  return Object.fromEntries([...value.entries].map(([key, entry]) => [key, plain(entry.value)]));
}
