// Runs a program in the place of this one: same terminal, its exit code.
import { spawn } from "node:child_process";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import { type CliHost, CommandError } from "./host.ts";

/** What a shell has as the exit code of a program that is not there. */
const NOT_FOUND = 127;

/** Runs it to its end and returns its exit code. An aborted signal ends it with SIGTERM. @throws {CommandError} */
export async function runChild(
  host: CliHost,
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<number> {
  // The terminal sends Ctrl-C to the program as well: what it means is the program's to decide.
  const ignore = () => {};
  host.on("SIGINT", ignore);
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(program, args, { stdio: "inherit", env: host.env });
      const end = () => child.kill("SIGTERM");
      signal?.addEventListener("abort", end, { once: true });
      child.once("error", reject);
      child.once("exit", (code, name) => {
        signal?.removeEventListener("abort", end);
        resolve(code ?? (name === "SIGINT" ? 130 : 143));
      });
    });
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      throw new CommandError(`the program '${program}' is not installed (Debian: openssh-client)`, NOT_FOUND);
    }
    throw new CommandError(`cannot run '${program}': ${messageOf(error)}`);
  } finally {
    host.off("SIGINT", ignore);
  }
}
