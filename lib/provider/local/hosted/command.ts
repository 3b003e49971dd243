// A command of an SSH session as a child process: on pipes, or on a terminal that util-linux's `script` makes, since
// neither Node nor Deno can open a pseudo-terminal by itself.
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { HOST_PATH, runProgram } from "../program.ts";
import type { CommandEnd, RunningCommand, TerminalSize } from "./runner.ts";

/** A process to start on this machine. */
export interface HostCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The process or (negative) process group that a client's signals go to, found from the started process. */
  readonly signalTarget: (pid: number) => Promise<number | null>;
}

const SIGNALS = [
  "ABRT",
  "ALRM",
  "FPE",
  "HUP",
  "ILL",
  "INT",
  "KILL",
  "PIPE",
  "QUIT",
  "SEGV",
  "TERM",
  "USR1",
  "USR2",
];

/**
 * Starts a command on pipes, in a process group of its own.
 * @throws {Error} when its program cannot be started
 */
export async function startOnPipes(command: HostCommand): Promise<RunningCommand> {
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: command.environment,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const streams = streamsOf(child);
  await hasStarted(child);
  return untilClosed({
    ...streams,
    resize: () => {},
    signal: (name) => sendSignal(name, Promise.resolve(child.pid), command),
    kill: () => killGroup(child.pid),
  });
}

// Tells the terminal's leader and name on descriptor 3, sets the size, and becomes the command.
const TERMINAL_SHIM = 'echo "$$ $(tty)" >&3; exec 3>&-; stty rows "$1" cols "$2"; shift 2; exec "$@"';

/**
 * Starts a command as the leader of a terminal of its own. Its stderr goes to the terminal too.
 * Needs `script`, `tty` and `stty` of Linux.
 * @throws {Error} when there is no `script`
 */
export async function startOnTerminal(command: HostCommand, size: TerminalSize): Promise<RunningCommand> {
  const words = ["/bin/sh", "-c", TERMINAL_SHIM, "sh", `${size.rows}`, `${size.columns}`, command.file];
  const line = [...words, ...command.args].map(quote).join(" ");
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", line, "/dev/null"], {
    cwd: command.cwd,
    env: { PATH: HOST_PATH, ...command.environment, SHELL: "/bin/sh" },
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  }) as ChildProcess as ChildProcessByStdio<Writable, Readable, Readable>;
  const terminal = readTerminal(child);
  const leader = terminal.then((found) => found?.leader);
  const streams = streamsOf(child);
  await hasStarted(child);
  return untilClosed({
    ...streams,
    resize: (wanted) => {
      terminal.then((found) => (found === null ? undefined : setSize(found.device, wanted))).catch(() => {});
    },
    signal: (name) => sendSignal(name, leader, command),
    kill: () => {
      killGroup(child.pid);
      leader.then(killGroup).catch(() => {});
    },
  });
}

/** What a command has left behind ends with it; later its process group and its terminal may be somebody else's. */
function untilClosed(command: RunningCommand): RunningCommand {
  let isOver = false;
  command.closed.then(() => {
    command.kill();
    isOver = true;
  });
  const unlessOver = <Arguments extends unknown[]>(act: (...given: Arguments) => void) => {
    return (...given: Arguments) => {
      if (!isOver) act(...given);
    };
  };
  return {
    ...command,
    resize: unlessOver(command.resize),
    signal: unlessOver(command.signal),
    kill: unlessOver(command.kill),
  };
}

/** A word as the shell reads it back. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

interface Terminal {
  readonly leader: number;
  readonly device: string;
}

/** Reads what the shim tells; the pipe itself stays open as long as `script`, which holds it too. */
function readTerminal(child: ChildProcess): Promise<Terminal | null> {
  const pipe = child.stdio[3];
  return new Promise((resolve) => {
    let text = "";
    pipe?.on("data", (chunk) => {
      text += String(chunk);
      const [, leader, device] = /^(\d+) (\/dev\/\S+)\n/.exec(text) ?? [];
      if (leader !== undefined && device !== undefined) resolve({ leader: Number(leader), device });
    });
    pipe?.on("error", () => resolve(null));
    pipe?.on("close", () => resolve(null));
  });
}

async function setSize(device: string, size: TerminalSize): Promise<void> {
  const args = ["-F", device, "rows", `${size.rows}`, "cols", `${size.columns}`];
  await runProgram("stty", args, new AbortController().signal);
}

function hasStarted(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

function streamsOf(child: ChildProcessByStdio<Writable, Readable, Readable>) {
  const exited = new Promise<CommandEnd>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal: signal?.replace(/^SIG/, "") ?? null }));
  });
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  // A command that ends before it has read all its input is no error of ours.
  child.stdin.on("error", () => {});
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited, closed };
}

async function deliver(name: string, pid: Promise<number | undefined>, command: HostCommand): Promise<void> {
  const started = await pid;
  if (started === undefined) return;
  const target = await command.signalTarget(started);
  if (target !== null) process.kill(target, `SIG${name}`);
}

function sendSignal(name: string, pid: Promise<number | undefined>, command: HostCommand): void {
  if (!SIGNALS.includes(name)) return;
  // The command may be gone by now: then there is nobody to tell.
  deliver(name, pid, command).catch(() => {});
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Ended already.
  }
}
