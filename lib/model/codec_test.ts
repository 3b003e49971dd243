import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  anyField,
  blankRecord,
  booleanField,
  DocumentError,
  decodeDocument,
  encodeDocument,
  type Field,
  numberField,
  objectField,
  omitWhenNull,
  requiredNumberField,
  textField,
  textListField,
  wordField,
} from "./codec.ts";

/** What becomes of a value: what is read, or which words refuse it. */
function outcome(field: Field<unknown>, value: unknown): unknown {
  try {
    return field.read(value);
  } catch (error) {
    assert.ok(error instanceof DocumentError);
    return `refused: ${error.message}`;
  }
}

const refused = (found: string, expected: string) => `refused: 'k' is ${found}: expected ${expected}`;

/** A kind of field; what a missing key and what null are read as; values that are kept; one that is refused. */
const kinds: readonly [string, Field<unknown>, unknown, unknown, readonly unknown[], unknown, string][] = [
  ["a text", textField("k"), null, null, ["", "a"], 5, "a string or null"],
  ["a text with a default", textField("k", "zuul"), "zuul", null, ["a"], ["a"], "a string or null"],
  ["a number", numberField("k"), null, null, [0, -1.5], "1", "a number or null"],
  ["a number that is always there", requiredNumberField("k", 7), 7, 7, [0, 1.5], "1", "a number"],
  ["a truth value", booleanField("k", true), true, true, [true, false], "no", "true or false"],
  ["a list of texts", textListField("k"), [], [], [["a", "b"], []], { 0: "a" }, "a list of strings"],
  ["an object", objectField("k"), null, null, [{ a: [1] }, {}], "a", "an object or null"],
  ["any value", anyField("k"), null, null, [5, "a", [null], { a: 1 }], undefined, ""],
];

describe("a key of a document", () => {
  for (const [name, field, missing, nothing, kept, wrong, expected] of kinds) {
    it(`that holds ${name} is read, has its default, and refuses what is something else`, () => {
      assert.deepEqual([outcome(field, undefined), outcome(field, null)], [missing, nothing]);
      for (const value of kept) assert.deepEqual(outcome(field, value), value);
      if (wrong !== undefined) assert.equal(outcome(field, wrong), refused(JSON.stringify(wrong), expected));
    });
  }

  it("that holds a list of texts may hold one text, as in old data", () => {
    assert.deepEqual(outcome(textListField("k"), "a"), ["a"]);
    assert.equal(outcome(textListField("k"), ["a", 1]), refused('["a",1]', "a list of strings"));
  });

  it("that holds an object refuses a list", () => {
    assert.equal(outcome(objectField("k"), []), refused("[]", "an object or null"));
  });

  it("that holds one of some words must be there", () => {
    const field = wordField("k", ["on", "off"]);
    assert.deepEqual([outcome(field, "on"), outcome(field, "off")], ["on", "off"]);
    assert.equal(outcome(field, "up"), refused('"up"', "one of on, off"));
    assert.equal(outcome(field, undefined), refused("nothing", "one of on, off"));
  });

  it("is quoted up to its sixtieth character", () => {
    const short = "x".repeat(58);
    assert.equal(outcome(numberField("k"), short), refused(`"${short}"`, "a number or null"));
    assert.equal(
      outcome(numberField("k"), `${short}yz`),
      refused(`"${"x".repeat(56)}...`, "a number or null"),
    );
  });
});

const TABLE = {
  name: textField("full_name", "nobody"),
  error: omitWhenNull(textField("error")),
  count: numberField("count"),
} as const;

const decode = (text: string) => decodeDocument(TABLE, new TextEncoder().encode(text));
const encode = (record: ReturnType<typeof decode>) => new TextDecoder().decode(encodeDocument(TABLE, record));

describe("a document", () => {
  it("is written with its own keys in order, and then those that nobody knows", () => {
    const text = '{"later":{"a":[1]},"count":2,"__proto__":{"b":3},"error":"e","full_name":"n"}';
    assert.equal(
      encode(decode(text)),
      '{"full_name":"n","error":"e","count":2,"later":{"a":[1]},"__proto__":{"b":3}}',
    );
  });

  it("has null for what is nothing, but for keys that are left out then", () => {
    assert.equal(encode(decode('{"full_name":null,"error":null}')), '{"full_name":null,"count":null}');
  });

  it("is an object and nothing else", () => {
    for (const text of ["5", "null", '"text"', "[]", "true", "", "{"]) {
      assert.throws(() => decode(text), { name: "DocumentError", message: /: expected a JSON object$/ });
    }
  });

  it("that is nested too deeply to be quoted or written back is refused as any other that cannot be used", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    for (const text of [deep, `{"count":${deep}}`]) assert.throws(() => decode(text), DocumentError);
    const record = decode(`{"later":${deep}}`);
    try {
      encode(record);
    } catch (error) {
      // Deno writes it.
      assert.ok(error instanceof DocumentError, String(error));
    }
  });

  it("reads the same to who has written it and to others", () => {
    const record = blankRecord(TABLE, { count: 2, extra: { later: { a: [1] } } });
    const data = encodeDocument(TABLE, record);
    assert.equal(decodeDocument(TABLE, data), record);
    assert.deepEqual(decodeDocument(TABLE, new Uint8Array(data)), record);
  });

  it("is read as what is asked for, whatever it was written as", () => {
    const data = encodeDocument(TABLE, blankRecord(TABLE, { count: 2 }));
    assert.deepEqual(decodeDocument({ count: numberField("count") }, data), {
      count: 2,
      extra: { full_name: "nobody" },
    });
  });

  it("that is new has the default of every key that is not given, and what else is given", () => {
    assert.deepEqual(blankRecord(TABLE, { count: 3 }), { name: "nobody", error: null, count: 3, extra: {} });
    assert.equal(
      encode(blankRecord(TABLE, { name: null, extra: { later: 1 } })),
      '{"full_name":null,"count":null,"later":1}',
    );
  });
});

describe("numbers in documents", () => {
  const written = (text: string) => encode(decode(text));

  it("are as they were when they are whole, however long", () => {
    const text =
      '{"full_name":"n","count":null,"later":[9007199254740992,-123456789012345678901,"12345678901234567890"]}';
    assert.equal(written(text), text);
  });

  it("with a fraction or an exponent are what JavaScript holds of them", () => {
    assert.equal(
      written('{"later":[12345678901234567890.5,1e30,0.12345678901234567891]}'),
      '{"full_name":"nobody","count":null,"later":[12345678901234567000,1e+30,0.12345678901234568]}',
    );
  });
});
