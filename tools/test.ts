// Runs the tests on Node and on Deno, after setting up what they need beyond npm.
//
//   npm test                          everything, on both runtimes
//   npm test -- --node lib/zookeeper  one runtime, and only files whose path contains one of the words
//   npm test -- --no-setup            without looking for missing packages
//
// The last line is "N passed, N failed"; the exit code is 1 when a test failed or none ran.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { testRequirements } from "../lib/host/catalogue.ts";
import { ensureRequirements } from "../lib/host/requirements.ts";
import { sourceFiles } from "./source_files.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** A test that hangs is ended after this many milliseconds. */
const TEST_TIMEOUT = 300_000;

async function run(
  command: string,
  args: readonly string[],
  onOutput: (text: string) => void,
): Promise<number> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    onOutput(text);
  });
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** An exit code that the counted tests do not explain is a failure of its own: a crash, a leak, no test at all. */
function settle(count: Count, exitCode: number, runtime: string): Count {
  const total = count.passed + count.failed;
  if (total > 0 && (exitCode === 0 || count.failed > 0)) return count;
  console.error(`${runtime}: exit code ${exitCode} with ${total} tests counted`);
  return { ...count, failed: count.failed + 1 };
}

async function runOnNode(files: readonly string[]): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-test-"));
  try {
    const tap = join(folder, "report.tap");
    const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
    reporters.push("--test-reporter=tap", `--test-reporter-destination=${tap}`);
    const options = ["--test", "--test-concurrency=2", `--test-timeout=${TEST_TIMEOUT}`, ...reporters];
    const exitCode = await run("node", [...options, ...files], () => {});
    const report = readFileSync(tap, "utf8");
    const number = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(report)?.[1] ?? 0);
    const failed = number("fail") + number("cancelled");
    return settle({ passed: number("pass"), failed, skipped: number("skipped") }, exitCode, "node");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runOnDeno(files: readonly string[]): Promise<Count> {
  let output = "";
  const exitCode = await run("deno", ["test", "-A", "--no-check", "--parallel", ...files], (text) => {
    output += text;
  });
  const summary = /(\d+) passed[^|]*\| (\d+) failed[^|]*?(?:\| (\d+) ignored.*?)?\(/.exec(output);
  const number = (index: number) => Number(summary?.[index] ?? 0);
  return settle({ passed: number(1), failed: number(2), skipped: number(3) }, exitCode, "deno");
}

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
const files = sourceFiles().filter(
  (path) => path.endsWith("_test.ts") && words.some((word) => path.includes(word)),
);
if (files.length === 0) {
  console.error(`no test file's path contains ${words.join(" or ")}`);
  process.exit(2);
}
const both = values.node === values.deno;
const counts: Count[] = [];
if (both || values.node) counts.push(await runOnNode(files));
if (both || values.deno) counts.push(await runOnDeno(files));

const sum = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
