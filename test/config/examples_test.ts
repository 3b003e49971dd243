// Every configuration that people may copy from here loads: the examples, and what the pages show.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { formatProblem } from "../../lib/config/types.ts";
import { look } from "../harness/config_corpus.ts";
import { PROJECT } from "../harness/program.ts";

const read = (file: string) => readFileSync(path.join(PROJECT, file), "utf8");
/** What is said of it, but for variables that the environment has where it is used. */
const said = (text: string, name: string) =>
  look(text, name)
    .problems.filter(({ message }) => !message.startsWith("the environment has no NODEPOOL_"))
    .map(formatProblem);

/** Blocks of a page that begin with a key of nodepool.yaml, without their indentation. */
function configurationsIn(page: string): string[] {
  const blocks = page.match(/(?:^ {4}.*\n|^\n(?= {4}))+/gm) ?? [];
  return blocks
    .map((block) => block.replaceAll(/^ {4}/gm, ""))
    .filter((block) =>
      /^\s*(?:#.*\n)*(?:zookeeper-\w+|labels|diskimages|providers|images-dir|max-hold-age|tenant-resource-limits):/.test(
        block,
      ),
    );
}

describe("an example", () => {
  const files = readdirSync(path.join(PROJECT, "examples")).filter((file) => file.endsWith(".yaml"));
  for (const file of files) {
    it(`loads, and there is nothing doubtful in it: ${file}`, () => {
      assert.deepEqual(said(read(`examples/${file}`), file), []);
    });
  }

  it("is as large as a large site, and is read in a moment", () => {
    const text = read("examples/nodepool-large.yaml");
    const started = performance.now();
    const { config } = look(text, "large");
    assert.ok(performance.now() - started < 5000);
    assert.equal(config?.providers.length, 20);
    assert.equal(config?.labels.size, 60);
    assert.equal([...text.matchAll(/^ {2}- name: /gm)].length - 20, 40, "images, with the abstract ones");
    assert.equal(new Set(config?.providers.map(({ driver }) => driver)).size, 11);
  });
});

describe("a configuration on a page", () => {
  const pages = ["README.md", ...readdirSync(path.join(PROJECT, "docs")).map((name) => `docs/${name}`)];
  const found = pages
    .filter((page) => page.endsWith(".md"))
    .flatMap((page) => configurationsIn(read(page)).map((text) => ({ page, text })));
  for (const [index, { page, text }] of found.entries()) {
    it(`loads: ${page}, ${index + 1}`, () => {
      const { config, problems } = look(text, page);
      const wrong = problems.filter(
        ({ severity, message }) => severity === "error" || message.includes("not a known"),
      );
      // A page may show providers without the labels and images that the rest of the file defines.
      const isPart = !/^(?:labels|diskimages):/m.test(text);
      const own = wrong.filter(({ message }) => !isPart || !/ is not defined\b/.test(message));
      assert.deepEqual(own.map(formatProblem), []);
      assert.ok(config !== null || isPart);
    });
  }

  it("is found at all", () => assert.ok(found.length > 0));
});
