// Child processes in a session of their own, so that everything they start can be reached and ended together.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { Clock } from "../../lib/std/clock.ts";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import { onAbort } from "../../lib/std/on_abort.ts";
import { asRoot, isRoot } from "./host_remains.ts";

/** How a command ended: exactly one of the two is set. */
export interface CommandEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A command that runs, with everything that it has started. */
export interface RunningCommand {
  /** The leader's process id, which is the group's id too. */
  readonly pid: number;
  /** Hears pieces of stdout and stderr, each of whole lines, and is awaited: it holds the command up. Set it once. */
  consume(consumer: (text: string) => Promise<void>): Promise<void>;
  /** Resolves when the command itself has ended; what it has started may live on. */
  readonly ended: Promise<CommandEnd>;
  /** Resolves when the consumer has heard all that was written, at the latest two seconds after the command's end. */
  drained(): Promise<void>;
  /** Sends SIGTERM to the command itself, not to what it has started; nothing when it has ended. */
  terminate(): void;
  /** Sends a signal to the whole group; false when nobody is left in it. 0 only asks. */
  signal(name: "SIGTERM" | "SIGKILL" | 0): boolean;
}

/** Starts a command. @throws {Error} naming the command when it cannot be started */
export type Spawn = (
  command: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd?: string },
) => Promise<RunningCommand>;

/** The file that a command's first word stands for, found as a shell finds it. @throws {Error} naming what is missing */
export function resolveCommand(word: string, env: Readonly<Record<string, string>>): string {
  if (word === "") throw new Error("the command is empty");
  if (word.includes("/")) {
    const problem = executableProblem(word);
    if (problem !== null) throw new Error(`cannot run ${word}: ${problem}`);
    return word;
  }
  const path = env.PATH ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const folder of path.split(delimiter)) {
    const file = join(folder === "" ? "." : folder, word);
    if (executableProblem(file) === null) return file;
  }
  throw new Error(`cannot run ${word}: no such program in PATH (${path}); install it or name its full path`);
}

function executableProblem(file: string): string | null {
  try {
    if (statSync(file).isDirectory()) return "it is a folder";
    accessSync(file, constants.X_OK);
    return null;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "there is no such file";
    return codeOf(error) === "EACCES" ? "it is not executable for this user" : messageOf(error);
  }
}

/** For how long what a command has written is read after its end: so many steps of so many milliseconds. */
const [REST_STEPS, REST_STEP] = [20, 100];

/** Starts a real process in a session of its own. */
export const spawnProcessGroup: Spawn = (command, { env, cwd }) => {
  const [word = "", ...args] = command;
  const file = resolveCommand(word, env);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    child.once("error", (error) => reject(new Error(`cannot run ${file}: ${messageOf(error)}`)));
    child.once("spawn", () => resolve(follow(child, child.pid ?? 0)));
  });
};

function follow(child: ChildProcessByStdio<null, Readable, Readable>, pid: number): RunningCommand {
  const ended = new Promise<CommandEnd>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code: signal === null ? code : null, signal }));
  });
  const streams = [child.stdout, child.stderr];
  let consumed: Promise<void> = Promise.resolve();
  const consume = async (consumer: (text: string) => Promise<void>) => {
    const drained = Promise.all(streams.map((stream) => readLines(stream, consumer)));
    await ended;
    // A daemon that was left behind keeps the pipes open: what the command itself wrote is there by now. In steps, for
    // one in which a busy machine let nothing be read counts no more than any other.
    let steps = 0;
    const cut = setInterval(() => {
      steps += 1;
      if (steps === REST_STEPS) for (const stream of streams) stream.destroy();
    }, REST_STEP);
    try {
      await drained;
    } finally {
      clearInterval(cut);
    }
  };
  return {
    pid,
    ended,
    drained: () => consumed.catch(() => undefined),
    terminate: () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    },
    signal: (name) => signalGroup(pid, name),
    consume: (consumer) => {
      consumed = consume(consumer);
      return consumed;
    },
  };
}

/** Sends a signal to a process group; false when there is no such group. One that is all root's is there, and hears nothing. */
export function signalGroup(group: number, name: "SIGTERM" | "SIGKILL" | 0): boolean {
  try {
    return process.kill(-group, name);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** The longest piece of a line that is kept back until its line end comes. */
const LONGEST_LINE = 65_536;

async function readLines(stream: Readable, consumer: (text: string) => Promise<void>): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  try {
    for await (const chunk of stream) {
      rest += decoder.write(chunk);
      const end = rest.length > LONGEST_LINE ? rest.length : rest.lastIndexOf("\n") + 1;
      if (end === 0) continue;
      await consumer(rest.slice(0, end));
      rest = rest.slice(end);
    }
  } catch (error) {
    // The stream was cut off on purpose, see above.
    if (!stream.destroyed) throw error;
  }
  rest += decoder.end();
  if (rest !== "") await consumer(`${rest}\n`);
}

/** How long processes of our own may take to die of SIGKILL before root is asked to do it, in milliseconds. */
const OWN_GRACE = 500;
/** How long the rest of a group has between SIGTERM and SIGKILL once its leader is gone, in milliseconds. */
const REST_GRACE = 2000;

/**
 * Ends a command and everything that it has started, and resolves when nobody is left.
 *
 * First the command alone gets SIGTERM, and `graceMs` to clean up: diskimage-builder unmounts and deletes its folders
 * then, but not when the helper through which it writes is ended at the same time. That one may write to its end too.
 * Then the rest of the group gets SIGTERM, then SIGKILL, and what is root's gets it from root. Five seconds after that
 * only dead processes can be left that their parent never asks about.
 *
 * @param hurry when it is aborted, whatever is left gets SIGKILL at once
 */
export async function endGroup(
  running: RunningCommand,
  clock: Clock,
  graceMs: number,
  hurry: AbortSignal,
): Promise<void> {
  running.terminate();
  const { promise: isTime, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(graceMs, resolve);
  const stopListening = onAbort(hurry, resolve);
  void running.ended.then(() => running.drained()).then(resolve);
  await isTime;
  cancel();
  stopListening();
  if (!running.signal("SIGTERM")) return;
  if (await gone(running, clock, hurry.aborted ? 0 : Math.min(graceMs, REST_GRACE))) return;
  running.signal("SIGKILL");
  if (await gone(running, clock, OWN_GRACE)) return;
  // What the command has started by sudo.
  if (!isRoot()) await asRoot("kill", ["-9", "--", `-${running.pid}`]);
  await gone(running, clock, 5000 - OWN_GRACE);
}

/** Whether nobody is left in the group, asked until it is so or `limit` milliseconds are over. */
async function gone(running: RunningCommand, clock: Clock, limit: number): Promise<boolean> {
  const pause = 25;
  for (let waited = 0; waited < limit; waited += pause) {
    if (!running.signal(0)) return true;
    await clock.sleep(pause);
  }
  return !running.signal(0);
}
