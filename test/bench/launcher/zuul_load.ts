// The Python client that behaves as Zuul: see zuul_load.py.
import { join } from "node:path";
import { PROJECT, runCommand } from "../../harness/program.ts";

const TIMEOUT_MS = 900_000;

/** What it has clocked, in milliseconds, and in seconds. */
export interface ZuulReport {
  readonly wait: readonly number[];
  readonly gone: readonly number[];
  /** Until all were fulfilled; of a burst only. */
  readonly fulfilled_s?: number;
  /** Until all were gone. */
  readonly gone_s: number;
  /** A second; of plain transactions only. */
  readonly rate?: number;
}

/** How many lives a second there were. */
export function rateOf({ gone, gone_s }: ZuulReport): number {
  return gone.length / gone_s;
}

export async function zuulLoad(hosts: string, ...words: readonly string[]): Promise<ZuulReport> {
  const script = join(PROJECT, "test/bench/launcher/zuul_load.py");
  const { code, stdout, stderr } = await runCommand("/usr/bin/python3", [script, hosts, ...words], {
    timeoutMs: TIMEOUT_MS,
  });
  if (code !== 0) throw new Error(`the load ${words.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as ZuulReport;
}
