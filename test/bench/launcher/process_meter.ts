// What another process uses, as Linux counts it.
import { readFile } from "node:fs/promises";

/** Of a second: the unit of /proc/PID/stat. */
const TICKS = 100;

/** Processor's time so far, in milliseconds, of all its threads. */
export async function cpuMilliseconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** Resident memory in MB. */
export async function residentMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]) / 1024;
}

/** Samples a process's memory every second until it is stopped. */
export function watchMemory(pid: number): { readonly megabytes: number[]; stop(): void } {
  const megabytes: number[] = [];
  const timer = setInterval(async () => {
    const size = await residentMegabytes(pid).catch(() => null);
    if (size !== null) megabytes.push(size);
  }, 1000);
  return { megabytes, stop: () => clearInterval(timer) };
}
