// Runs the tests on Node and on Deno, after setting up what they need beyond npm.
//
//   npm test                          everything, on both runtimes
//   npm test -- --node lib/zookeeper  one runtime, and only files whose path contains one of the words
//   npm test -- --no-setup            without looking for missing packages
//
// What needs a real OpenStack is skipped, and says so: `npm run test:openstack` brings one up. The last line is
// "N passed, N failed"; the exit code is 1 when a test failed or none ran.
import process from "node:process";
import { parseArgs } from "node:util";
import { testRequirements } from "../lib/host/catalogue.ts";
import { ensureRequirements } from "../lib/host/requirements.ts";
import { OPENSTACK_TESTS, skipFiles } from "./openstack_suite.ts";
import { sourceFiles } from "./source_files.ts";
import { type Count, deno, node, report, runAll, sum } from "./test_files.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: "boolean", default: false },
    deno: { type: "boolean", default: false },
    setup: { type: "boolean", default: true },
  },
  allowNegative: true,
});

if (values.setup) {
  const found = await ensureRequirements(testRequirements(), {
    print: (line) => console.log(line),
    mayInstall: true,
  });
  if (!found.met) process.exit(69);
}
const words = positionals.length > 0 ? positionals : [""];
const wanted = sourceFiles().filter(
  (path) => path.endsWith("_test.ts") && words.some((word) => path.includes(word)),
);
if (wanted.length === 0) {
  console.error(`no test file's path contains ${words.join(" or ")}`);
  process.exit(2);
}
const [clouded, files] = [true, false].map((isClouded) =>
  wanted.filter((path) => path.startsWith(OPENSTACK_TESTS) === isClouded),
) as [string[], string[]];
const both = values.node === values.deno;
const runtimes = [...(both || values.node ? [node] : []), ...(both || values.deno ? [deno] : [])];
const counts: Count[] = [];
for (const runtime of runtimes) counts.push(await runAll(runtime, files));
if (clouded.length > 0) {
  counts.push(skipFiles(clouded, "npm run test:openstack brings one up and runs them, in about 15 minutes"));
}

const count = sum(counts);
report(count);
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);
