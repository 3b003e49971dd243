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

/** Runs a command to its end; what it writes is kept, and shown at once where `show` says so. */
async function run(
  command: string,
  args: readonly string[],
  show = false,
): Promise<{ exitCode: number; output: string }> {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (show) process.stdout.write(text);
    });
  }
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ exitCode: code ?? 1, output }));
  });
}

/** An exit code that the counted tests do not explain is a failure of its own: a crash, a leak, no test at all. */
function settle(count: Count, exitCode: number, runtime: string): Count {
  const total = count.passed + count.failed;
  const onlySkipped = total === 0 && count.skipped > 0 && exitCode === 0;
  if (onlySkipped || (total > 0 && (exitCode === 0 || count.failed > 0))) return count;
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
    const { exitCode } = await run("node", [...options, ...files], true);
    const report = readFileSync(tap, "utf8");
    const number = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(report)?.[1] ?? 0);
    const failed = number("fail") + number("cancelled");
    return settle({ passed: number("pass"), failed, skipped: number("skipped") }, exitCode, "node");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Each file in a process of its own, two at a time, as Node.js does it. Deno's own --parallel runs them as threads of
 * one process, where one file can disturb another: an uncaught EBADF was seen in a file that had not run a test yet.
 */
async function runOnDeno(files: readonly string[]): Promise<Count> {
  const waiting = [...files];
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const count = await runFileOnDeno(file);
      total.passed += count.passed;
      total.failed += count.failed;
      total.skipped += count.skipped;
    }
  };
  await Promise.all([work(), work()]);
  return total;
}

async function runFileOnDeno(file: string): Promise<Count> {
  const { exitCode, output } = await run("deno", ["test", "-A", "--no-check", file]);
  process.stdout.write(output);
  const summary = /(\d+) passed[^|]*\| (\d+) failed[^|]*?(?:\| (\d+) ignored.*?)?\(/.exec(output);
  const number = (index: number) => Number(summary?.[index] ?? 0);
  return settle({ passed: number(1), failed: number(2), skipped: number(3) }, exitCode, `deno: ${file}`);
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
