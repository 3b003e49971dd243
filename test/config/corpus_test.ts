// Every configuration of test/data/config is taken or refused as it should be, and all that is said of it is beside it.
// With NODEPOOL_WRITE_GOLDEN=1 that is written anew: read the difference before you commit it.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { ENVIRONMENT, look, samples, told } from "../harness/config_corpus.ts";
import { fuzz } from "../harness/config_fuzz.ts";
import { Random } from "../simulation/random.ts";

const corpus = samples();

if (process.env.NODEPOOL_WRITE_GOLDEN === "1") {
  for (const sample of corpus) {
    const text = told(sample);
    if (text !== "") writeFileSync(sample.golden, text);
    else rmSync(sample.golden, { force: true });
  }
}

describe("a configuration of the corpus", () => {
  for (const sample of corpus) {
    it(`is ${sample.kind}, and said to be what it is: ${sample.name}`, () => {
      const { config } = look(sample.text, sample.name, sample.secure);
      assert.equal(config !== null, sample.kind === "valid");
      const golden = existsSync(sample.golden) ? readFileSync(sample.golden, "utf8") : "";
      const said = told(sample);
      assert.equal(said, golden);
      assert.ok(!said.includes(ENVIRONMENT.NODEPOOL_TOKEN), "a secret is told");
    });
  }

  it("is one of more than a hundred, of both kinds", () => {
    const count = (kind: string) => corpus.filter((sample) => sample.kind === kind).length;
    assert.ok(count("valid") > 50 && count("invalid") > 50, `${count("valid")}, ${count("invalid")}`);
  });
});

describe("a configuration that nobody would write", () => {
  it("is loaded or explained, whatever it is, and soon", () => {
    const texts = corpus.map(({ text }) => text);
    const { loaded, refused } = fuzz(new Random(8), texts, 500);
    assert.ok(loaded > 30 && refused > 150, `${loaded} loaded, ${refused} refused`);
  });
});
