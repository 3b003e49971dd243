// The launcher's program as it is deployed: on Node what is published, built for this run; on Deno the sources. (Node
// runs the sources too, with a compiler for their types in the process, which takes 30 MB of it.)
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { denoProgram } from "../../../tools/deno_program.ts";
import { PROJECT, runCommand } from "../../harness/program.ts";

export const RUNTIMES = ["node", "deno"] as const;
export type Runtime = (typeof RUNTIMES)[number];

export interface LauncherProgram {
  readonly runtime: Runtime;
  /** What starts it; its arguments follow. What npm links may be a script, whose use of the machine says nothing. */
  readonly command: readonly [string, ...string[]];
  /** Beside what this process has. */
  readonly environment: Readonly<Record<string, string>>;
  /** Removes what was built. */
  remove(): void;
}

export async function launcherProgram(runtime: Runtime): Promise<LauncherProgram> {
  if (runtime === "deno") {
    const main = join(PROJECT, "services/launcher/main.ts");
    // As deno.json starts it.
    const options = "--v8-flags=--max-semi-space-size=16,--heap-growing-percent=50,--no-parallel-scavenge";
    const command = [denoProgram(), "run", "-A", "--no-check", options, main] as const;
    return { runtime, command, environment: {}, remove: () => {} };
  }
  // Beside dist/, so that it finds the same packages.
  const folder = mkdtempSync(join(PROJECT, ".bench-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const { code, stdout } = await runCommand("node", [join(PROJECT, "tools/build.ts"), folder]);
    if (code !== 0) throw new Error(`the launcher cannot be built: ${stdout}`);
  } catch (error) {
    remove();
    throw error;
  }
  const node = join(PROJECT, "node_modules/node/bin/node");
  // As deploy/ starts it.
  const options = "--max-semi-space-size=16";
  const command = [node, options, join(folder, "services/launcher/main.js")] as const;
  return { runtime, command, environment: { MALLOC_ARENA_MAX: "1" }, remove };
}
