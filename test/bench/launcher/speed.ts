// How long clients wait: for a node that is ready, for one that has to be launched, when all come at once.
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import { GrpcLoad, type Hearing } from "./grpc_load.ts";
import { type Figures, percentile } from "./measure.ts";
import type { LauncherProgram } from "./program.ts";
import { Stage } from "./stage.ts";
import { type ZuulReport, zuulLoad } from "./zuul_load.ts";

/** How many ready nodes are kept while they are taken one after the other. */
const MIN_READY = 20;
/** So many, and both runtimes have compiled what they run often: a launcher comes there within minutes of its start. */
export const WARM_UP = 500;
const WARM = 300;
const COLD = 200;
/** What Nodepool needed on such a machine, with another client in Python that does the same (see same_client.ts). */
export const NODEPOOL = { warm: 540, cold: 3600, burst: 33, gone: 7500 };

interface Waits {
  readonly wait: readonly number[];
  readonly gone: readonly number[];
}

export async function measureSpeed(
  server: ZooKeeperServer,
  program: LauncherProgram,
  figures: Figures,
  burst: number,
): Promise<void> {
  const stage = await Stage.open(server, { program, labels: { warm: MIN_READY, cold: 0 }, cloud: null });
  try {
    await stage.start();
    const load = new GrpcLoad(stage.clients);
    await oneByOne(load, "warm", WARM_UP);
    tellWaits(figures, "warm", "gRPC", await oneByOne(load, "warm", WARM));
    tellWaits(figures, "warm", "gRPC by a stream", await oneByOne(load, "warm", WARM, "stream"));
    tellWaits(figures, "warm", "Python", await zuulLoad(stage.hosts, "one", "warm", String(WARM)));
    tellWaits(figures, "cold", "gRPC", await oneByOne(load, "cold", COLD));
    tellWaits(figures, "cold", "Python", await zuulLoad(stage.hosts, "one", "cold", String(COLD)));
    const python: ZuulReport = await zuulLoad(stage.hosts, "burst", "cold", String(burst));
    figures.tell({
      name: `${burst} requests at once fulfilled, Python`,
      value: python.fulfilled_s ?? Number.NaN,
      unit: "s",
      target: 10,
      against: NODEPOOL.burst,
    });
    figures.tell({
      name: `${burst} requests at once fulfilled, gRPC`,
      value: (await allAtOnce(load, burst)) / 1000,
      unit: "s",
      target: 5,
      against: NODEPOOL.burst,
    });
  } finally {
    await stage.close();
  }
}

export async function oneByOne(
  load: GrpcLoad,
  label: string,
  count: number,
  hearing: Hearing = "call",
): Promise<Waits> {
  const [wait, gone]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < count; turn += 1) {
    const taken = await load.take(label, hearing);
    wait.push(taken.wait);
    gone.push(await load.giveBack(taken));
  }
  return { wait, gone };
}

/** Milliseconds until all are fulfilled; their nodes are gone when it returns. */
async function allAtOnce(load: GrpcLoad, count: number): Promise<number> {
  const begun = performance.now();
  const taken = await Promise.all(Array.from({ length: count }, () => load.take("cold")));
  const took = performance.now() - begun;
  await Promise.all(taken.map((one) => load.giveBack(one)));
  return took;
}

function tellWaits(figures: Figures, label: "warm" | "cold", client: string, { wait, gone }: Waits): void {
  const against = NODEPOOL[label];
  const name = `${label} request to fulfilled, ${client}`;
  const targets = label === "warm" ? { p50: 10, p99: 60 } : { p50: 50, p99: null };
  figures.tell({
    name: `${name}, p50`,
    value: percentile(wait, 50),
    unit: "ms",
    target: targets.p50,
    against,
  });
  const p99 = { name: `${name}, p99`, value: percentile(wait, 99), unit: "ms" };
  figures.tell(targets.p99 === null ? p99 : { ...p99, target: targets.p99 });
  const returned = `returned to gone, ${label}, ${client}`;
  const beyond = { unit: "ms", target: 50, against: NODEPOOL.gone };
  figures.tell({ name: `${returned}, p50`, value: percentile(gone, 50), ...beyond });
  figures.tell({ name: `${returned}, p99`, value: percentile(gone, 99), ...beyond });
}
