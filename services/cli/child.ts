// Runs a program in the place of this one: same terminal, its exit code.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import { onAbort } from "../../lib/std/on_abort.ts";
import { type CliHost, CommandError } from "./host.ts";

/** What a shell has as the exit code of a program that is not there. */
const NOT_FOUND = 127;

/**
 * Runs it to its end and returns its exit code. An aborted signal ends it with SIGTERM; SIGTERM and SIGHUP are handed on, so
 * that what was made for it can be removed afterwards.
 *
 * @throws {CommandError}
 */
export async function runChild(
  host: CliHost,
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<number> {
  let child: ChildProcess | null = null;
  const end = () => void child?.kill("SIGTERM");
  const hangUp = () => void child?.kill("SIGHUP");
  // The terminal sends Ctrl-C to the program as well: without a signal of ours, what it means is the program's to decide.
  const ignore = () => {};
  let stopListening = ignore;
  host.on("SIGINT", ignore);
  host.on("SIGTERM", end);
  host.on("SIGHUP", hangUp);
  try {
    child = spawn(program, args, { stdio: "inherit", env: host.env });
    if (signal !== undefined) stopListening = onAbort(signal, end);
    const [code, name] = (await once(child, "exit")) as [number | null, NodeJS.Signals];
    return code ?? 128 + constants.signals[name];
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      throw new CommandError(`the program '${program}' is not installed (Debian: openssh-client)`, NOT_FOUND);
    }
    throw new CommandError(`cannot run '${program}': ${messageOf(error)}`);
  } finally {
    stopListening();
    host.off("SIGINT", ignore);
    host.off("SIGTERM", end);
    host.off("SIGHUP", hangUp);
  }
}
