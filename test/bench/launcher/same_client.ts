// The launcher under the very client with which Nodepool was measured. It is no part of this project, so its file is named
// by whoever has it; its output is one JSON object for each repetition, with times in seconds.
import { runCommand } from "../../harness/program.ts";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import { median } from "../zookeeper/report.ts";
import { GrpcLoad } from "./grpc_load.ts";
import type { Figures } from "./measure.ts";
import type { LauncherProgram } from "./program.ts";
import { NODEPOOL, oneByOne, WARM_UP } from "./speed.ts";
import { Stage } from "./stage.ts";

const MIN_READY = 3;
const ALONE = 20;
const TIMEOUT_MS = 900_000;
/** Of the launcher, for a request of a thousand at once. */
const NODEPOOL_COST = { cpu: 26, packets: 34 };

interface Quantiles {
  readonly p50: number;
  readonly max: number;
}

interface Repetition {
  readonly n: number;
  readonly n_errors: number;
  readonly ok: number;
  readonly fulfil_s: Quantiles;
  readonly delete_s: Quantiles;
  readonly all: { readonly cpu_s: number; readonly pkts_rx: number };
}

/** @param client the path of the client's program */
export async function measureSameClient(
  server: ZooKeeperServer,
  program: LauncherProgram,
  figures: Figures,
  { client, requests }: { readonly client: string; readonly requests: number },
): Promise<void> {
  const stage = await Stage.open(server, { program, labels: { warm: MIN_READY, cold: 0 }, cloud: null });
  try {
    await stage.start();
    await oneByOne(new GrpcLoad(stage.clients), "warm", WARM_UP);
    const load = (label: string, n: number, reps: number) => repeated(stage, client, { label, n, reps });
    const milliseconds = (values: readonly number[]) => median(values) * 1000;
    for (const [label, target] of [
      ["warm", 10],
      ["cold", 50],
    ] as const) {
      const value = milliseconds((await load(label, 1, ALONE)).map(({ fulfil_s }) => fulfil_s.p50));
      figures.tell({
        name: `same client: ${label} request to fulfilled, p50`,
        value,
        unit: "ms",
        target,
        against: NODEPOOL[label],
      });
    }
    const bursts = await load("cold", requests, 3);
    const of = (read: (one: Repetition) => number) => median(bursts.map(read));
    const name = `same client: ${requests} at once,`;
    const all = { name: `${name} all fulfilled`, value: of(({ fulfil_s }) => fulfil_s.max), unit: "s" };
    figures.tell({ ...all, target: 10, against: NODEPOOL.burst });
    const gone = {
      name: `${name} returned to gone, p50`,
      value: of(({ delete_s }) => delete_s.p50) * 1000,
      unit: "ms",
    };
    figures.tell({ ...gone, target: 50, against: NODEPOOL.gone });
    const cpu = {
      name: `${name} the launcher's processor time for each`,
      value: of(({ all, n }) => (all.cpu_s * 1000) / n),
      unit: "ms",
    };
    figures.tell({ ...cpu, target: 5, against: NODEPOOL_COST.cpu });
    const packets = {
      name: `${name} packets from the launcher to ZooKeeper for each`,
      value: of(({ all, n }) => all.pkts_rx / n),
      unit: "",
    };
    figures.tell({ ...packets, against: NODEPOOL_COST.packets });
  } finally {
    await stage.close();
  }
}

async function repeated(
  stage: Stage,
  client: string,
  { label, n, reps }: { readonly label: string; readonly n: number; readonly reps: number },
): Promise<Repetition[]> {
  const words = ["bench", "--hosts", stage.hosts, "--pid", String(stage.pid), "--label", label];
  const args = [client, ...words, "--n", String(n), "--reps", String(reps), "--gap", "0.5"];
  const { code, stdout, stderr } = await runCommand("/usr/bin/python3", args, { timeoutMs: TIMEOUT_MS });
  const repetitions = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Repetition);
  if (code !== 0 || repetitions.length !== reps) throw new Error(`${client} ended with ${code}: ${stderr}`);
  return repetitions;
}
