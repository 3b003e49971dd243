import { spawn } from "node:child_process";
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { codeOf } from "../../../lib/std/errors.ts";
import { RootfsError } from "./arguments.ts";

/** Runs one hook with the variables of environment.d, as diskimage-builder's dib-run-parts does. */
const WRAPPER = `
set -eu -o pipefail
for file in "$1"/environment.d/*; do
  if [ -f "$file" ]; then . "$file"; fi
done
exec "$2"`;

export interface HookOptions {
  /** The folder with root.d and the others. */
  readonly hooks: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Runs the executable files of one phase in order. @throws {RootfsError} when one fails */
export async function runPhase(phase: string, options: HookOptions): Promise<void> {
  const folder = join(options.hooks, phase);
  for (const name of await hooksIn(folder)) {
    options.print(`running ${phase}/${name}`);
    const outcome = await runHook(join(folder, name), options);
    options.signal.throwIfAborted();
    if (outcome !== 0) throw new RootfsError(`the hook ${phase}/${name} ended with ${outcome}`);
  }
}

async function hooksIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  const executable = await Promise.all(
    names.map((name) =>
      access(join(folder, name), constants.X_OK).then(
        () => /^[\w-]+$/.test(name),
        () => false,
      ),
    ),
  );
  const number = (name: string) => Number.parseInt(name, 10) || 0;
  return names
    .filter((_, index) => executable[index])
    .sort((a, b) => number(a) - number(b) || (a < b ? -1 : 1));
}

async function runHook(file: string, { hooks, env, signal }: HookOptions): Promise<number | string> {
  const child = spawn("bash", ["-c", WRAPPER, "hook", hooks, file], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...env },
    // A group of its own, so that what the hook has started ends with it.
    detached: true,
  });
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", (error) =>
        reject(codeOf(error) === "ENOENT" ? new RootfsError("hooks need bash, which is not on PATH") : error),
      );
      child.on("close", (code, signalName) => resolve(code ?? signalName ?? "no exit code"));
    });
  } finally {
    signal.removeEventListener("abort", end);
  }
}
