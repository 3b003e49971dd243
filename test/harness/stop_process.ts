import { readdir, readFile } from "node:fs/promises";
import process from "node:process";

/** Stopped, or ended and not yet reaped. */
const STILL: ReadonlySet<string> = new Set(["T", "Z"]);

/**
 * Stops a process with SIGSTOP, and resolves when it does nothing any more: the signal comes to the threads of a
 * process one after the other, which takes tens of milliseconds on a busy machine, and they go on until then.
 */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  while (!(await isStopped(pid))) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function isStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(threads.map((thread) => stateOf(`/proc/${pid}/task/${thread}/stat`)));
  return states.every((state) => state === null || STILL.has(state));
}

/** Its letter in proc_pid_stat(5); null for a thread that is gone. */
async function stateOf(file: string): Promise<string | null> {
  const line = await readFile(file, "utf8").catch(() => "");
  return line[line.lastIndexOf(")") + 2] ?? null;
}
