// npm run test:openstack: brings up a real OpenStack, runs the tests that need one, and stops it. Words choose among the
// files, --node (the default) and --deno the runtimes. The exit code is 69 when no cloud could be brought up, or when
// something else that the tests need is missing and cannot be installed.
import process from "node:process";
import { parseArgs } from "node:util";
import { testRequirements } from "../lib/host/catalogue.ts";
import { ensureRequirements } from "../lib/host/requirements.ts";
import { OPENSTACK_TESTS, runOpenStackSuite } from "./openstack_suite.ts";
import { sourceFiles } from "./source_files.ts";
import { deno, node, report } from "./test_files.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: "boolean", default: false }, deno: { type: "boolean", default: false } },
});
const words = positionals.length > 0 ? positionals : [""];
const files = sourceFiles().filter(
  (path) =>
    path.startsWith(OPENSTACK_TESTS) &&
    path.endsWith("_test.ts") &&
    words.some((word) => path.includes(word)),
);
if (files.length === 0) {
  console.error(`no file's path below ${OPENSTACK_TESTS} contains ${words.join(" or ")}`);
  process.exit(2);
}
const found = await ensureRequirements(testRequirements(), {
  print: (line) => console.log(line),
  mayInstall: true,
});
if (!found.met) process.exit(69);
const runtimes = [...(values.node || !values.deno ? [node] : []), ...(values.deno ? [deno] : [])];
const { count, why } = await runOpenStackSuite(files, runtimes);
report(count);
process.exit(why === null ? (count.failed > 0 || count.passed === 0 ? 1 : 0) : 69);
