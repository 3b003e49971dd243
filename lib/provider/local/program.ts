// Runs a program of the host to its end.
import { spawn } from "node:child_process";
import { messageOf } from "../../std/errors.ts";

/** Where programs of the host are looked for: child processes get no other part of our environment. */
export const HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin";

/** How a program ended. */
export interface ProgramResult {
  /** The exit code; null when a signal ended it or it could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const OUTPUT_LIMIT = 64 * 1024;

/**
 * Runs a program without a shell and resolves with its end, also when it fails or does not exist (then `stderr` says
 * so). An aborted signal kills it and rejects with the signal's reason. Keeps 64 KiB of each output.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: HOST_PATH, LC_ALL: "C" },
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        if (output[name].length < OUTPUT_LIMIT) output[name] += text;
      });
    }
    const onAbort = () => child.kill("SIGKILL");
    signal.addEventListener("abort", onAbort, { once: true });
    const settle = (result: ProgramResult) => {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) reject(signal.reason);
      else resolve(result);
    };
    child.once("error", (error) => settle({ code: null, stdout: "", stderr: messageOf(error) }));
    child.once("close", (code) => settle({ code, ...output }));
  });
}

/** The last line that a failed program wrote, or how it ended. */
export function failureOf(result: ProgramResult): string {
  const line = `${result.stderr}\n${result.stdout}`.trim().split("\n").at(-1)?.trim();
  if (line !== undefined && line !== "") return line;
  return result.code === null ? "ended by a signal" : `exit code ${result.code}`;
}
