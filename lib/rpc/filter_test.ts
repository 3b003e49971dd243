import assert from "node:assert/strict";
import { test } from "node:test";
import { type FilterFields, parseFilter } from "./filter.ts";

interface Item {
  readonly state: string;
  readonly labels: readonly string[];
}

const FIELDS: FilterFields<Item> = {
  state: (value) => (item) => item.state === value,
  label: (value) => (item) => item.labels.includes(value),
};
const item: Item = { state: "READY", labels: ["debian", "big one"] };
const fits = (text: string) => parseFilter(text, FIELDS)(item);

test("an empty filter fits everything", () => {
  assert.equal(fits(""), true);
  assert.equal(fits("   "), true);
});

test("all conditions must hold", () => {
  assert.equal(fits("state = READY"), true);
  assert.equal(fits("state=READY AND label=debian"), true);
  assert.equal(fits("state = READY AND label = fedora"), false);
});

test("a quoted value may hold spaces, quotes, equals signs and the word AND", () => {
  assert.equal(fits('label = "big one"'), true);
  const quoted = parseFilter('state = "a \\"b\\" = AND c"', FIELDS);
  assert.equal(quoted({ state: 'a "b" = AND c', labels: [] }), true);
});

test("what cannot be understood is refused with the place and what is allowed", () => {
  const refused: [string, RegExp][] = [
    ["colour = red", /no field 'colour': expected one of state, label/],
    ["toString = x", /no field 'toString'/],
    ["state", /'state' is no condition/],
    ["state =", /'state =' is no condition/],
    ["state = = READY", /is no condition/],
    ["state = READY AND", /'AND' after 'state = READY'/],
    ["state = READY OR label = a", /'OR' after 'state = READY'/],
    ['state = "READY', /is a quote missing/],
    [`state = ${"x".repeat(5000)}`, /5008 characters/],
  ];
  for (const [text, message] of refused) assert.throws(() => parseFilter(text, FIELDS), message, text);
});

test("a value that none can have is refused before anything is looked at", () => {
  const fields: FilterFields<Item> = {
    ...FIELDS,
    state: (value) => assert.fail(`there is no state ${value}`),
  };
  assert.throws(() => parseFilter("label = nowhere AND state = LOST", fields), /there is no state LOST/);
});
