import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Count, deno, node, runFile, sum } from "./test_files.ts";

const IMPORTS = 'import assert from "node:assert/strict";\nimport { it } from "node:test";\n';

for (const runtime of [node, deno]) {
  describe(`a file of tests on ${runtime.name}`, () => {
    let folder = "";
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "nodepool-test-files-"));
    });
    after(() => rm(folder, { recursive: true }));

    const run = async (text: string): Promise<Count> => {
      const file = join(folder, "some_test.ts");
      await writeFile(file, IMPORTS + text);
      return await runFile(runtime, file, {}, () => {});
    };

    it("counts what passed and what failed, and keeps what is to be said again of the failure", async () => {
      const count = await run('it("holds", () => {});\nit("fails", () => assert.equal(7, 8));\n');
      assert.deepEqual([count.passed, count.failed, count.skipped], [1, 1, 0]);
      assert.match(count.failures[0]?.file ?? "", new RegExp(`^${runtime.name} .*some_test.ts: [\\d.]+ s$`));
      assert.match(count.failures[0]?.output ?? "", /7 !== 8/);
    });

    it("keeps nothing of a file in which all passed", async () => {
      const count = await run('it("holds", () => assert.equal(7, 7));\n');
      assert.deepEqual(count, { passed: 1, failed: 0, skipped: 0, failures: [] });
    });

    it("takes a file that ends before it has said how its tests ended for a failure, and says so", async () => {
      const count = await run('import process from "node:process";\nprocess.kill(process.pid, "SIGKILL");\n');
      assert.deepEqual([count.passed, count.failed], [0, 1]);
      assert.match(count.failures[0]?.output ?? "", /exit code \d+ with 0 tests counted$/);
    });
  });
}

describe("the sum of counts", () => {
  it("keeps the failures of all", () => {
    const one = (file: string): Count => ({
      passed: 1,
      failed: 1,
      skipped: 2,
      failures: [{ file, output: "" }],
    });
    const names = sum([one("a"), one("b")]).failures.map(({ file }) => file);
    assert.deepEqual(names, ["a", "b"]);
  });
});
