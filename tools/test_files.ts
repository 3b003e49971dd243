// Runs test files, each in a process of its own, and counts how their tests ended.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { denoProgram } from "./deno_program.ts";
import { isEnding, whenEnded } from "./ending.ts";

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The files in which something failed, with the end of what each wrote. */
  readonly failures: readonly Failure[];
}

interface Failure {
  readonly file: string;
  readonly output: string;
}

/** How many lines of a failed file's output are said again: what ends a file's output is what failed in it. */
const FAILURE_LINES = 60;

/** A file that has not ended after this many milliseconds is ended, with all that it started, and has failed. */
const FILE_TIMEOUT = 600_000;

/** What runs a file's tests. */
export interface Runtime {
  readonly name: "node" | "deno";
  /** The command that runs a file's tests. */
  command(file: string): readonly string[];
  /** What it has more in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Finds in what the command wrote how its tests ended. */
  count(output: string): Ended;
}

/** How the tests of one file ended. */
type Ended = Omit<Count, "failures">;

export const node: Runtime = {
  name: "node",
  command: (file) => ["node", "--test-reporter=spec", file],
  // Each file is a process, and starts some: what Node.js made of the sources is half of what it takes to start.
  env: {
    NODE_COMPILE_CACHE: fileURLToPath(new URL("../node_modules/.cache/nodepool-tests", import.meta.url)),
  },
  count(output) {
    const number = (word: string) =>
      Number(lastMatch(output, new RegExp(`^ℹ ${word} (\\d+)$`, "gm"))?.[1] ?? 0);
    return {
      passed: number("pass"),
      failed: number("fail") + number("cancelled"),
      skipped: number("skipped"),
    };
  },
};

export const deno: Runtime = {
  name: "deno",
  command: (file) => [denoProgram(), "test", "-A", "--no-check", file],
  env: {},
  count(output) {
    const summary = lastMatch(
      output,
      /^(?:ok|FAILED) \| (\d+) passed[^|]*\| (\d+) failed[^|]*?(?:\| (\d+) ignored.*?)?\(/gm,
    );
    const number = (index: number) => Number(summary?.[index] ?? 0);
    return { passed: number(1), failed: number(2), skipped: number(3) };
  },
};

/** The last, because what a test prints comes before what its runtime says of all tests. */
function lastMatch(output: string, pattern: RegExp): RegExpExecArray | undefined {
  return [...output.matchAll(pattern)].at(-1);
}

/**
 * Each file in a process of its own, two at a time, so that no file disturbs another and one that hangs ends alone.
 * (Deno's own --parallel runs them as threads of one process: an uncaught EBADF was seen in a file that had not run a
 * test yet. Node's own runner waits for ever for a file whose tests have ended and that still holds a connection.)
 */
export async function runAll(runtime: Runtime, files: readonly string[]): Promise<Count> {
  const waiting = [...files];
  const counts: Count[] = [];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      counts.push(await runFile(runtime, file));
    }
  };
  await Promise.all([work(), work()]);
  return sum(counts);
}

/** Runs one file, with more variables in its environment, and prints what it wrote. */
export async function runFile(
  runtime: Runtime,
  file: string,
  env: Readonly<Record<string, string>> = {},
  print: (text: string) => void = console.log,
): Promise<Count> {
  const started = performance.now();
  const { exitCode, output } = await run(runtime.command(file), { ...runtime.env, ...env });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const ended = runtime.count(output);
  const flaw = flawIn(ended, exitCode);
  const lines = output.trimEnd().split("\n");
  if (flaw !== null) lines.push(flaw);
  const title = `${runtime.name} ${file}: ${seconds} s`;
  print(`\n# ${title}\n${lines.join("\n")}`);
  const failed = ended.failed + (flaw === null ? 0 : 1);
  const failure = { file: title, output: lines.slice(-FAILURE_LINES).join("\n") };
  return { ...ended, failed, failures: failed > 0 ? [failure] : [] };
}

/** Runs a command to its end; the exit code is null when it had to be ended. */
async function run(
  [command = "", ...args]: readonly string[],
  more: Readonly<Record<string, string>>,
): Promise<{ exitCode: number | null; output: string }> {
  if (isEnding()) return await new Promise(() => {});
  const env = { ...process.env, NO_COLOR: "1", ...more };
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const group = child.pid ?? 0;
  groups.add(group);
  return await new Promise((resolve, reject) => {
    const end = (exitCode: number | null) => {
      endGroup(group);
      resolve({ exitCode, output });
    };
    const limit = setTimeout(end, FILE_TIMEOUT, null);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(limit);
      // What a test has left running may hold the pipes open: it gets a moment.
      const patience = setTimeout(end, 2000, code ?? 1);
      child.on("close", () => {
        clearTimeout(patience);
        end(code ?? 1);
      });
    });
  });
}

/** The process groups of the files that run now. */
const groups = new Set<number>();

function endGroup(group: number): void {
  groups.delete(group);
  try {
    if (group > 0) process.kill(-group, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

whenEnded(() => {
  for (const group of groups) endGroup(group);
});

/** A failure of the file itself, which its counted tests do not explain: a crash, a leak, no test at all. */
function flawIn({ passed, failed, skipped }: Ended, exitCode: number | null): string | null {
  if (exitCode === null) return `did not end within ${FILE_TIMEOUT / 1000} s`;
  const total = passed + failed;
  const onlySkipped = total === 0 && skipped > 0 && exitCode === 0;
  if (onlySkipped || (total > 0 && (exitCode === 0 || failed > 0))) return null;
  return `exit code ${exitCode} with ${total} tests counted`;
}

/** The counts taken together. */
export function sum(counts: readonly Count[]): Count {
  const total = (key: keyof Ended) => counts.reduce((all, count) => all + count[key], 0);
  return {
    passed: total("passed"),
    failed: total("failed"),
    skipped: total("skipped"),
    failures: counts.flatMap((count) => count.failures),
  };
}

/** Says again what failed, behind everything else, and then how many tests ended how: that is the last line. */
export function report(count: Count): void {
  for (const { file, output } of count.failures) console.log(`\n# failed: ${file}\n${output}`);
  console.log(tell(count));
}

function tell({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
