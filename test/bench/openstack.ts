// npm run bench -- openstack [--count 50] [--rounds 1]: servers to ACTIVE and to gone in a real OpenStack, through our driver
// and through Python's openstacksdk in turns: time, API calls and the client's CPU. Nova itself is what takes the time.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withOpenStack } from "../../tools/openstack_cloud.ts";
import { until } from "../harness/launcher.ts";
import { PROJECT, runCommand, runtimeCommand } from "../harness/program.ts";
import { CloudUser, writeCloudsYaml } from "../openstack/harness/cloud_user.ts";
import { compared } from "./zookeeper/report.ts";

/** What the load of one party took. */
interface Load {
  /** Seconds until all servers ran, and from then on until all were gone. */
  readonly active: number;
  readonly gone: number;
  /** Processor time of the client, in seconds, without its start. */
  readonly cpu: number;
  /** Calls of Nova, Neutron and Glance, with those of the start. */
  readonly calls: number;
}

/** Runs the benchmark; prints one JSON object a line. */
export async function run(print: (line: string) => void, args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { count: { type: "string", default: "50" }, rounds: { type: "string", default: "1" } },
  });
  const why = await withOpenStack({ mayInstall: true }, (folder) => measure(folder, values, print));
  if (why !== null) throw new Error(`no OpenStack can be brought up: ${why}`);
}

async function measure(
  cloudFolder: string,
  { count, rounds }: { readonly count: string; readonly rounds: string },
  print: (line: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-bench-"));
  const clouds = await writeCloudsYaml(folder, "nodepool", {}, cloudFolder);
  const user = await CloudUser.login("nodepool", cloudFolder);
  const load = async (command: string, ...words: string[]): Promise<Load> => {
    const timeoutMs = 900_000;
    const { code, stdout, stderr } = await runCommand(command, [...words, clouds, count], { timeoutMs });
    assert.equal(code, 0, stderr);
    // A server is gone for its user before Nova has done with it: the next load must not pay for that.
    await until("Nova has no server any more", async () => (await user.servers()).length === 0, timeoutMs);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Load;
  };
  const pairs: { ours: Load; theirs: Load }[] = [];
  try {
    for (let round = 0; round < Number(rounds); round += 1) {
      const [command, ...words] = runtimeCommand("test/bench/openstack/our_load.ts");
      const ours = await load(command, ...words);
      const python = ["-W", "ignore", `${PROJECT}/test/bench/openstack/sdk_load.py`];
      pairs.push({ ours, theirs: await load("/usr/bin/python3", ...python) });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const tell = (name: string, unit: string, of: (load: Load) => number) => {
    const [ours, theirs] = [pairs.map((pair) => of(pair.ours)), pairs.map((pair) => of(pair.theirs))];
    print(
      JSON.stringify(
        compared({ name: `${count} servers: ${name}`, unit, ours, theirs, better: "less", target: 1 }),
      ),
    );
  };
  tell("time to ACTIVE", "s", ({ active }) => active);
  tell("time to gone", "s", ({ gone }) => gone);
  tell("API calls", "calls", ({ calls }) => calls);
  tell("CPU of the client", "s", ({ cpu }) => cpu);
}
