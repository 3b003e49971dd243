// Runs the project's programs as a user does: as processes of their own, on the runtime that runs the tests.
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { codeOf } from "../../lib/std/errors.ts";

/** The project's folder. */
export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** A program under test. */
export interface Program {
  readonly pid: number;
  /** Everything that it has written so far, both streams. */
  output(): string;
  /** Resolves with the match when the output fits; rejects with the output when it ends or time runs out first. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal and resolves with the exit code (null when a signal ended it). */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<number | null>;
  /** Reads no more of its standard output, as a reader that has gone away. */
  stopReading(): void;
  /** Resolves with the exit code when it ends by itself. */
  ended(timeoutMs?: number): Promise<number | null>;
}

/** The command that runs a TypeScript file on the present runtime. */
export function runtimeCommand(file: string): [string, ...string[]] {
  const path = `${PROJECT}/${file}`;
  return "Deno" in globalThis
    ? [process.execPath, "run", "-A", "--no-check", path]
    : [process.execPath, path];
}

/** Starts services/<name>/main.ts, or any other file, with arguments. */
export function startProgram(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Program {
  const [command, ...prefix] = runtimeCommand(file);
  return startCommand(command, [...prefix, ...args], env);
}

/** Starts any command. */
export function startCommand(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Program {
  return watchChild(
    spawn(command, args, {
      cwd: PROJECT,
      env: {
        ...process.env,
        NO_COLOR: "1",
        PATH: `${PROJECT}/node_modules/.bin:${process.env.PATH}`,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

/** Runs a command to its end and returns what it wrote; a failure to start rejects. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly timeoutMs?: number } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, {
    cwd: PROJECT,
    env: {
      ...process.env,
      NO_COLOR: "1",
      PATH: `${PROJECT}/node_modules/.bin:${process.env.PATH}`,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    // What it has started may hold them open.
    child.stdout.destroy();
    child.stderr.destroy();
  }, options.timeoutMs ?? 60_000);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one of the project's programs to its end. */
export async function runProgram(file: string, args: readonly string[], env: Record<string, string> = {}) {
  const [command, ...prefix] = runtimeCommand(file);
  return await runCommand(command, [...prefix, ...args], { env });
}

/** A program that has just ended is told of only when all that it wrote has been read: a signal finds nobody before that. */
function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

function watchChild(child: ChildProcess): Program {
  let output = "";
  let exit: { code: number | null } | undefined;
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  const take = (chunk: unknown) => {
    output += String(chunk);
    changed();
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  child.on("error", (error) => take(error));
  child.on("close", (code) => {
    exit = { code };
    changed();
  });

  /** Resolves with the first defined answer of `look`, asked now and at each change. */
  const until = <T>(look: () => T | undefined, what: string, timeoutMs: number) =>
    new Promise<T>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        listeners.delete(check);
        settle();
      };
      const check = () => {
        const found = look();
        if (found !== undefined) finish(() => resolve(found));
        else if (exit !== undefined)
          finish(() => reject(new Error(`ended (${exit?.code}) before ${what}:\n${output}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`${what} did not come within ${timeoutMs} ms:\n${output}`))),
        timeoutMs,
      );
      listeners.add(check);
      check();
    });

  const ended = async (timeoutMs = 60_000) => (await until(() => exit, "the end", timeoutMs)).code;
  return {
    pid: child.pid ?? -1,
    output: () => output,
    stopReading: () => void child.stdout?.destroy(),
    waitFor: (pattern, timeoutMs = 60_000) =>
      until(() => pattern.exec(output) ?? undefined, String(pattern), timeoutMs),
    stop: async (signal = "SIGTERM", timeoutMs = 60_000) => {
      // Not child.kill: after it, Deno reports the signal instead of the exit code.
      if (exit === undefined && child.pid !== undefined) sendTo(child.pid, signal);
      try {
        return await ended(timeoutMs);
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      }
    },
    ended,
  };
}
