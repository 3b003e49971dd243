import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configPage } from "./config_page.ts";

const text = { type: "string" };
const pools = {
  type: "array",
  description: "Groups.",
  items: {
    type: "object",
    required: ["name"],
    properties: { name: text, size: { type: "integer", minimum: 1 } },
  },
};
const page = configPage(
  {
    properties: {
      folder: { type: "string", default: "/var", description: "Where." },
      port: { type: "integer", minimum: 1, maximum: 65535 },
      release: { anyOf: [text, { type: "number" }, text] },
      providers: { type: "array", description: "All." },
    },
    required: ["folder"],
    $defs: {
      big: { title: "A cloud", properties: { driver: { const: "big" }, pools } },
      small: { title: "A|B", properties: { engine: { enum: ["a", "b"] } } },
    },
  },
  { properties: { secrets: { type: "array", items: { type: "object", properties: { word: text } } } } },
  ["big", "small"],
);

describe("the page of the configuration", () => {
  for (const { what, line } of [
    { what: "a key that must be there, with its default", line: "| **`folder`** | text | `/var` | Where. |" },
    { what: "a range", line: "| `port` | whole number, 1 to 65535 |  |  |" },
    { what: "each kind of value once", line: "| `release` | text or number |  |  |" },
    { what: "where providers are", line: "| `providers` | list |  | All. See below. |" },
    { what: "a list of mappings", line: "| `pools` | list of: mapping |  | Groups. |" },
    { what: "the keys of its mappings", line: "| **`pools[].name`** | text |  |  |" },
    { what: "a lower bound", line: "| `pools[].size` | whole number, 1 or more |  |  |" },
    { what: "what the secure file may have", line: "| `secrets[].word` | text |  |  |" },
    { what: "choices", line: "| `engine` | `a`, `b` |  |  |" },
  ]) {
    it(`tells ${what}`, () => assert.ok(page.split("\n").includes(line), page));
  }

  it("has a section for each driver, without the key that chooses it", () => {
    assert.deepEqual(page.match(/^### .*$/gm), ["### `driver: big`", "### `driver: small`"]);
    assert.doesNotMatch(page, /\| `driver`/);
  });

  it("refuses a driver that the schema does not have", () => {
    assert.throws(() => configPage({ $defs: {} }, {}, ["none"]), /no driver none/);
  });
});
