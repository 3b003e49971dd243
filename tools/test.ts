// Runs the tests on Node and on Deno, after setting up what they need beyond npm.
//
//   npm test                          everything, on both runtimes
//   npm test -- --node lib/zookeeper  one runtime, and only files whose path contains one of the words
//   npm test -- --no-setup            without looking for missing packages
//
// What needs a real OpenStack comes last, where the machine has the room and the time for one; else it is skipped, and says
// why. The last line is "N passed, N failed"; the exit code is 1 when a test failed or none ran.
import process from "node:process";
import { parseArgs } from "node:util";
import { testRequirements } from "../lib/host/catalogue.ts";
import { ensureRequirements } from "../lib/host/requirements.ts";
import { OPENSTACK_TESTS, runOpenStackSuite } from "./openstack_suite.ts";
import { sourceFiles } from "./source_files.ts";
import { type Count, deno, node, runAll, sum, tell } from "./test_files.ts";

const started = performance.now();

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
  const secondsGone = (performance.now() - started) / 1000;
  const suite = await runOpenStackSuite(clouded, runtimes, { mayInstall: values.setup, secondsGone });
  counts.push(suite.count);
}

const count = sum(counts);
console.log(tell(count));
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);
