// Tables of configuration keys, as Nodepool's documentation has them, held against the loader: each key's default, a
// value that is taken as it is, and what is said of one that is not.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cursor } from "../../lib/config/cursor.ts";
import { readDocument } from "../../lib/config/document.ts";
import { driverSchema } from "../../lib/config/drivers.ts";
import type { JsonSchema, Kind } from "../../lib/config/kinds.ts";
import { Problems } from "../../lib/config/problems.ts";
import { provider } from "../../lib/config/schema.ts";
import { interpolate } from "../../lib/config/source.ts";
import { ConfigError, type ConfigProblem } from "../../lib/config/types.ts";

/** A line of a table: where it stands, the key, what it holds, its default, a value. */
interface Row {
  /** Keys and indexes from the top, as providers.0.pools.0.max-servers. */
  readonly path: readonly string[];
  readonly type: string;
  readonly fallback: string;
  readonly sample: unknown;
}

/** For each type a value that is not of it, and what must be said of it. */
const WRONG: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  text: [["x"], /must be a text, but is a list$/],
  title: ["", /must not be empty$/],
  name: ["a/b", /must be a name without "\/", but is the text "a\/b": it becomes part of paths$/],
  release: [["x"], /must be a text or a number, but is a list$/],
  boolean: ["maybe", /must be true or false, but is the text "maybe"$/],
  integer: [1.5, /must be a whole number.*, but is the number 1\.5$/],
  number: ["many", /must be a number.*, but is the text "many"$/],
  port: [0, /must be a whole number \(a port\) from 1 to 65535, but is the number 0$/],
  texts: ["x", /must be a mapping of names to texts, but is the text "x"$/],
  counts: [{ a: "x" }, /must be a whole number, but is the text "x"$/],
  list: ["x", /must be a list, but is the text "x"; write it as \[VALUE\]$/],
  words: [{ a: "b" }, /must be a list, but is a mapping; begin each entry with a dash$/],
  record: [["x"], /must be a mapping of keys to values, but is a list$/],
  mapping: [["x"], /must be a mapping, but is a list$/],
  format: ["{name}", /has \{name\}; the fields are \{image_name\}, \{upload_id\} and \{timestamp\}$/],
};

/** A value that is not of a type, what must be said of it, and how grave it is; `~` behind a bound: it is raised. */
function wrongOf(type: string): readonly [unknown, RegExp, severity?: "warning"] {
  const bound = /^(integer|number)>=(\d+)(~?)$/.exec(type);
  if (bound !== null) {
    const least = Number(bound[2]);
    if (bound[3] === "~") {
      const said = `is the number ${least - 1}, which counts as ${least}; write ${least} or more`;
      return [least - 1, new RegExp(`^${said}$`), "warning"];
    }
    return [least - 1, new RegExp(`of ${least} or more, but is the number ${least - 1}$`)];
  }
  if (type.includes("|")) {
    return ["zzz", new RegExp(`must be one of ${type.replaceAll("|", ", ")}, but is the text "zzz"`)];
  }
  if (/^\w[\w.]*!$/.test(type)) {
    const only = type.slice(0, -1);
    return ["zzz", new RegExp(`must be one of ${only}, but is the text "zzz"`)];
  }
  const wrong = WRONG[type];
  assert.ok(wrong !== undefined, `no such type: ${type}`);
  return wrong;
}

/** Reads `PLACE KEY TYPE DEFAULT SAMPLE` a line; `-` is no default, `required` and `expected` say what its absence is. */
function rowsOf(table: string, places: Readonly<Record<string, string>>): Row[] {
  return table
    .trim()
    .split("\n")
    .map((line) => {
      const [place = "", key = "", type = "", fallback = "", ...rest] = line.trim().split(/\s+/);
      const start = places[place];
      assert.ok(start !== undefined, `no such place: ${line}`);
      const path = [...start.split(".").filter(Boolean), ...key.split("/")];
      return { path, type, fallback, sample: JSON.parse(rest.join(" ")) as unknown };
    });
}

type Json = Record<string, unknown>;

/** A copy with the value at the path; undefined takes it away. What is between is made, with what `needs` has there. */
function put(given: unknown, path: readonly string[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (/^\d+$/.test(step)) {
    const items = Array.isArray(given) ? given : [];
    return [put(items[0] ?? {}, rest, value)];
  }
  const { [step]: before, ...others } = (given ?? {}) as Json;
  const after = put(before, rest, value);
  return after === undefined ? others : { ...others, [step]: after };
}

function get(given: unknown, path: readonly string[]): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return given;
  if (typeof given !== "object" || given === null) return undefined;
  const found = (given as Json)[step];
  const own = found === undefined && "own" in given ? ((given as Json).own as Json)[step] : found;
  return get(own, rest);
}

/** A path as messages have it. */
const told = (path: readonly string[]) => path.join(".").replaceAll(/\.(\d+)/g, "[$1]");

/** Reads a document with a kind. */
function read(
  kind: Kind<unknown>,
  document: unknown,
): { value: unknown; problems: readonly ConfigProblem[] } {
  const problems = new Problems();
  const text = JSON.stringify(document);
  const top = readDocument(interpolate(text, "f", {}), problems);
  assert.ok(top);
  const value = kind(new Cursor(top, "", problems));
  try {
    return { value, problems: problems.settle() };
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return { value, problems: error.problems };
  }
}

/** The keys of a schema with those of what is in it, in the form of {@link told}. */
function keysOf(schema: JsonSchema, path = ""): string[] {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.flatMap((one: JsonSchema) => keysOf(one, path));
  const items = schema.items as JsonSchema | undefined;
  if (items !== undefined) return keysOf(items, `${path}[0]`);
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  return Object.entries(properties).flatMap(([key, inner]) => {
    const own = path === "" ? key : `${path}.${key}`;
    return [own, ...keysOf(inner, own)];
  });
}

/** A document without the key: the key has its default, or is missed. */
function checkAbsence({ value, problems }: ReturnType<typeof read>, { path, fallback }: Row): void {
  const key = path.at(-1) ?? "";
  const missed = problems
    .filter(({ message }) => message.startsWith(`${key} is missing`))
    .map((problem) => [problem.severity, problem.path]);
  const severity = { required: "error", expected: "warning" }[fallback];
  assert.deepEqual(missed, severity === undefined ? [] : [[severity, told(path.slice(0, -1))]]);
  if (severity !== undefined) return;
  assert.deepEqual(get(value, path), fallback === "-" ? undefined : JSON.parse(fallback));
}

/** Whether what is read is the sample itself: parts of mappings get defaults of their own. */
function isPlain({ type, sample }: Row): boolean {
  return type !== "record" && !(Array.isArray(sample) && typeof sample[0] === "object");
}

/**
 * Tests every line of a table against a kind, and that the table has every key of it.
 *
 * @param places where the words in the first column stand, as `pool` at `pools.0`
 */
export function testKeys(
  title: string,
  kind: Kind<unknown>,
  table: string,
  places: Readonly<Record<string, string>>,
): void {
  const rows = rowsOf(table, places);
  const needed = rows.filter(({ fallback }) => fallback === "required" || fallback === "expected");
  /** The least that can be used with this path in it. */
  const around = (path: readonly string[]) => {
    const isNear = (row: Row) => {
      const place = row.path.slice(0, -1);
      return place.every((step, index) => path[index] === step) && place.length < path.length;
    };
    return needed
      .filter(isNear)
      .reduce((document, row) => put(document, row.path, row.sample), {} as unknown);
  };
  describe(title, () => {
    for (const row of rows) {
      const { path, type, fallback, sample } = row;
      const place = told(path);
      const at = (problems: readonly ConfigProblem[], where = place) =>
        problems.filter((problem) => problem.path === where || problem.path.startsWith(`${where}.`));

      it(`${place}: default ${fallback}, ${type}`, () => {
        const document = around(path);
        checkAbsence(read(kind, put(document, path, undefined)), row);
        const written = read(kind, put(document, path, sample));
        assert.deepEqual(at(written.problems), []);
        if (isPlain(row)) assert.deepEqual(get(written.value, path), sample);
        if (type === "anything") return;
        const [wrong, message, severity = "error"] = wrongOf(type);
        const [problem, ...others] = at(read(kind, put(document, path, wrong)).problems);
        assert.match(problem?.message ?? "nothing is said", message);
        const more = others.filter((other) => other.severity === "error");
        assert.deepEqual([problem?.severity, problem?.line, more], [severity, 1, []]);
      });
    }

    it("has no other keys", () => {
      const known = rows.map(({ path }) => told(path));
      assert.deepEqual(known.toSorted(), [...new Set(keysOf(kind.json))].sort());
    });
  });
}

/** {@link testKeys} of a driver. */
export function testDriver(driver: string, table: string): void {
  testKeys(driver, provider(driverSchema(driver)), table, {
    provider: "",
    diskimage: "diskimages.0",
    cloudimage: "cloud-images.0",
    pool: "pools.0",
    node: "pools.0.nodes.0",
    label: "pools.0.labels.0",
  });
}
