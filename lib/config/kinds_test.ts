import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cursor } from "./cursor.ts";
import { readDocument } from "./document.ts";
import {
  anyMapping,
  anything,
  boolean,
  counts,
  integer,
  type Kind,
  list,
  name,
  number,
  oneOf,
  port,
  properties,
  recordName,
  release,
  text,
  textOrTexts,
  texts,
} from "./kinds.ts";
import { Problems } from "./problems.ts";
import { interpolate } from "./source.ts";
import { ConfigError } from "./types.ts";

/** What a kind makes of a value in YAML, and what it says of it. */
function read(kind: Kind<unknown>, yaml: string, env: Readonly<Record<string, string>> = {}): unknown[] {
  const problems = new Problems();
  const top = readDocument(interpolate(`x: ${yaml}`, "f", env), problems);
  const at = top ? new Cursor(top, "", problems).key("x") : null;
  assert.ok(at !== null);
  const value = kind(at);
  try {
    return [value, ...problems.settle().map(({ message }) => `warning: ${message}`)];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return [value, ...error.problems.map(({ path, message }) => `${path}: ${message}`)];
  }
}

const NAME = ': must be a name without "/", but is the text';
const WHOLE = "x: must be a whole number (a port) from 1 to 65535, but is";
const EMPTY = "warning: has no value, so it is left out; remove it, or give it one";
const BOOLEAN = "x: must be true or false, but is the text";

const cases: readonly [
  string,
  Kind<unknown>,
  readonly (readonly [yaml: string, value: unknown, ...said: string[]])[],
][] = [
  [
    "a text",
    text,
    [
      ["a b", "a b"],
      ["''", ""],
      ["yes", "yes", "warning: is read by YAML as the truth value yes; write it in quotes to make it a text"],
      ["[a]", undefined, "x: must be a text, but is a list"],
    ],
  ],
  [
    "a name that becomes a part of paths",
    name,
    [
      ["..a", "..a"],
      ["''", undefined, "x: must not be empty"],
      ["a/b", undefined, `x${NAME} "a/b": it becomes part of paths`],
      [".", undefined, `x${NAME} ".": it becomes part of paths`],
      ["..", undefined, `x${NAME} "..": it becomes part of paths`],
      ["{}", undefined, "x: must be a text, but is a mapping"],
    ],
  ],
  [
    "a name in ZooKeeper",
    recordName,
    [
      ["ü-1", "ü-1"],
      ['"a\\u0085b"', undefined, "x: has U+0085, which ZooKeeper takes in no path: leave it out"],
      ["a/b", undefined, `x${NAME} "a/b": it becomes part of paths`],
    ],
  ],
  [
    "a release",
    release,
    [
      ["12", "12"],
      ["bookworm", "bookworm"],
      ["'22.10'", "22.10"],
      ["yes", "yes"],
      ["8.0", "8.0"],
      ["22.10", "22.1", "warning: is the number 22.1 to YAML; write it in quotes to keep it as 22.10"],
      ["[12]", undefined, "x: must be a text or a number, but is a list"],
    ],
  ],
  [
    "true or false",
    boolean,
    [
      ["off", false],
      ["'Yes'", undefined, `${BOOLEAN} "Yes"; remove the quotes`],
      ["'so true'", undefined, `${BOOLEAN} "so true"`],
      ["'truer'", undefined, `${BOOLEAN} "truer"`],
      ["[true]", undefined, "x: must be true or false, but is a list"],
    ],
  ],
  [
    "a whole number with bounds",
    port,
    [
      ["1", 1],
      ["65535", 65535],
      ["'22'", 22, "warning: is a text to YAML, taken as the number 22; write 22, without quotes"],
      ["0", undefined, `${WHOLE} the number 0`],
      ["65536", undefined, `${WHOLE} the number 65536`],
      ["22.5", undefined, `${WHOLE} the number 22.5`],
      ["'1e3'", undefined, `${WHOLE} the text "1e3"`],
      ["' 22'", undefined, `${WHOLE} the text " 22"`],
      ["true", undefined, `${WHOLE} the truth value true`],
      ["[22]", undefined, `${WHOLE} a list`],
    ],
  ],
  [
    "any whole number",
    integer(),
    [
      ["-9007199254740991", -9007199254740991],
      ["'-5'", -5, "warning: is a text to YAML, taken as the number -5; write -5, without quotes"],
      ["9007199254740992", undefined, "x: must be a whole number, but is the number 9007199254740992"],
    ],
  ],
  [
    "any number above a bound",
    number({ minimum: 0, unit: "seconds" }),
    [
      ["0", 0],
      ["0.25", 0.25],
      [
        "'10.25'",
        10.25,
        "warning: is a text to YAML, taken as the number 10.25; write 10.25, without quotes",
      ],
      ["'12'", 12, "warning: is a text to YAML, taken as the number 12; write 12, without quotes"],
      ["1e-3", 0.001, "warning: is a text to YAML, taken as the number 0.001; write 0.001, without quotes"],
      ["'1_0.5E+1 '", 105, "warning: is a text to YAML, taken as the number 105; write 105, without quotes"],
      ["'+.5'", 0.5, "warning: is a text to YAML, taken as the number 0.5; write 0.5, without quotes"],
      ["'5.'", 5, "warning: is a text to YAML, taken as the number 5; write 5, without quotes"],
      ["-1", undefined, "x: must be a number (seconds) of 0 or more, but is the number -1"],
      ["'-1.5'", undefined, 'x: must be a number (seconds) of 0 or more, but is the text "-1.5"'],
      [".inf", undefined, "x: must be a number (seconds) of 0 or more, but is the number .inf"],
      ["'inf'", undefined, 'x: must be a number (seconds) of 0 or more, but is the text "inf"'],
      ["'1e999'", undefined, 'x: must be a number (seconds) of 0 or more, but is the text "1e999"'],
      ["''", undefined, 'x: must be a number (seconds) of 0 or more, but is the text ""'],
      ["'0x5'", undefined, 'x: must be a number (seconds) of 0 or more, but is the text "0x5"'],
    ],
  ],
  [
    "a whole number that is raised to a bound",
    integer({ minimum: 1, raises: true }),
    [
      ["1", 1],
      ["0", 1, "warning: is the number 0, which counts as 1; write 1 or more"],
      ["'-5'", 1, 'warning: is the text "-5", which counts as 1; write 1 or more'],
      ["0.5", undefined, "x: must be a whole number of 1 or more, but is the number 0.5"],
      ["none", undefined, 'x: must be a whole number of 1 or more, but is the text "none"'],
    ],
  ],
  [
    "one of some words",
    oneOf("snapshot", "image"),
    [
      ["image", "image"],
      [
        "snapshop",
        undefined,
        'x: must be one of snapshot, image, but is the text "snapshop"; did you mean "snapshot"?',
      ],
      ["[image]", undefined, "x: must be one of snapshot, image, but is a list"],
    ],
  ],
  [
    "a list",
    list(port),
    [
      ["[]", []],
      ["[1, ~, null]", [1], EMPTY, EMPTY],
      [
        "[1, no, 2]",
        [1, 2],
        "x[1]: must be a whole number (a port) from 1 to 65535, but is the truth value no",
      ],
      ["1", undefined, "x: must be a list, but is the number 1; write it as [VALUE]"],
      ["{a: 1}", undefined, "x: must be a list, but is a mapping; begin each entry with a dash"],
    ],
  ],
  [
    "a word or several",
    textOrTexts,
    [
      ["a b", "a b"],
      ["[a, b]", ["a", "b"]],
      ["[a, ~]", ["a"], EMPTY],
      ["{a: b}", undefined, "x: must be a list, but is a mapping; begin each entry with a dash"],
    ],
  ],
  [
    "texts by name",
    texts,
    [
      ["{a: yes, b: 010, c: '', d: e}", { a: "yes", b: "010", c: "", d: "e" }],
      ["{a: ~, b: null, c: , d: e}", { d: "e" }, EMPTY, EMPTY, EMPTY],
      ["{a: b, c: [d]}", { a: "b" }, "x.c: must be a text, but is a list"],
      ["[a]", undefined, "x: must be a mapping of names to texts, but is a list"],
    ],
  ],
  [
    "texts that are handed on, by name",
    properties("tags"),
    [
      ["{a: yes, b: ''}", { a: "yes", b: "" }],
      ["{tags: [a, 1]}", { tags: '["a",1]' }],
      ["{a: [b, true]}", { a: '["b",true]' }, "warning: is a list, which is handed on as JSON; write a text"],
      [
        "{tags: {b: c}}",
        { tags: '{"b":"c"}' },
        "warning: is a mapping, which is handed on as JSON; write a text",
      ],
      ["[a]", undefined, "x: must be a mapping of names to texts, but is a list"],
    ],
  ],
  [
    "whole numbers by name",
    counts,
    [
      ["{a: 1, b: -2}", { a: 1, b: -2 }],
      ["{a: 1, b: ~}", { a: 1 }, EMPTY],
      ["{a: 1, b: c}", { a: 1 }, 'x.b: must be a whole number, but is the text "c"'],
      ["5", undefined, "x: must be a mapping of names to whole numbers, but is the number 5"],
    ],
  ],
  ["anything", anything, [["[1, {a: yes}, ~]", [1, { a: true }, null]]]],
  [
    "any mapping",
    anyMapping,
    [
      ["{a: [1]}", { a: [1] }],
      ["[a]", undefined, "x: must be a mapping, but is a list"],
    ],
  ],
];

describe("what a key of the configuration may hold", () => {
  for (const [what, kind, values] of cases) {
    for (const [yaml, ...expected] of values) {
      it(`${what}: ${yaml}`, () => assert.deepEqual(read(kind, yaml), expected));
    }
  }

  it("is not asked to lose its quotes where the environment's value needs them", () => {
    assert.deepEqual(read(port, "'%(NODEPOOL_PORT)'", { NODEPOOL_PORT: "22" }), [22]);
  });

  it("is quoted up to its sixtieth character where it is refused", () => {
    const [short, long] = ["x".repeat(60), "x".repeat(61)];
    assert.deepEqual(read(port, short)[1], `${WHOLE} the text "${short}"`);
    assert.deepEqual(read(port, long)[1], `${WHOLE} the text "${short}..."`);
  });

  it("of a name in ZooKeeper tells a character beyond U+FFFF by its whole number", () => {
    const [, said] = read(recordName, '"a😀"');
    assert.equal(said, "x: has U+1F600, which ZooKeeper takes in no path: leave it out");
  });
});
