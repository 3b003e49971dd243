// What kazoo, the client of Nodepool and Zuul, needs for the same: a Python process that prints one number.
import { join } from "node:path";
import { PROJECT, runCommand } from "../../harness/program.ts";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";

const TIMEOUT_MS = 300_000;

/** Runs a measurement of test/bench/zookeeper/kazoo_load.py. */
export async function kazoo(server: ZooKeeperServer, args: readonly string[]): Promise<number> {
  const script = join(PROJECT, "test/bench/zookeeper/kazoo_load.py");
  const { code, stdout, stderr } = await runCommand(
    "/usr/bin/python3",
    [script, server.connectString, ...args],
    { timeoutMs: TIMEOUT_MS },
  );
  if (code !== 0) throw new Error(`kazoo's measurement ${args.join(" ")} ended with ${code}: ${stderr}`);
  return Number(stdout);
}
