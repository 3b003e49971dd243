// Whole lives of nodes, many at a time, for a while: the rate, what one costs, and whether memory stays flat.
import zookeeper from "node-zookeeper-client";
import { lastZxid, type ZooKeeperServer } from "../../harness/zookeeper.ts";
import { DATA, openPlain, plainCalls, promised } from "../zookeeper/clients.ts";
import { median } from "../zookeeper/report.ts";
import { GrpcLoad } from "./grpc_load.ts";
import { type Figures, percentile } from "./measure.ts";
import { cpuMilliseconds, watchMemory } from "./process_meter.ts";
import type { LauncherProgram } from "./program.ts";
import { Stage } from "./stage.ts";
import { rateOf, zuulLoad } from "./zuul_load.ts";

const AT_ONCE = 64;
/** Enough to find out what each of them can do. */
const MANY_AT_ONCE = 256;
const WARM_UP_SECONDS = 5;
const STREAM_SECONDS = 10;
/** So many do not fill the machine: while the client's one thread is busy the others wait. */
const FEW_AT_ONCE = 16;
const PYTHON_SECONDS = 15;
/** Lives and plain transactions take turns of so long, so many times: the disk's speed changes from second to second. */
const TURN_SECONDS = 4;
const TURNS = 5;
/** Lives one after the other, to count what each writes. */
const COUNTED = 20;
/** What Nodepool reached on such a machine, with another client in Python that does the same. */
const NODEPOOL = { rate: 28, cpu: 26, transactions: 28 };

export async function measureLives(
  server: ZooKeeperServer,
  program: LauncherProgram,
  figures: Figures,
  options: { readonly seconds: number; readonly profile: boolean },
): Promise<void> {
  const stage = await Stage.open(server, { program, labels: { cold: 0 }, cloud: null });
  try {
    await stage.start();
    const load = new GrpcLoad(stage.clients);
    const live = async () => await load.giveBack(await load.take("cold"));
    await repeat(live, AT_ONCE, WARM_UP_SECONDS);
    if (options.profile) stage.toggleProfile();
    const memory = watchMemory(stage.pid);
    const cpu = await cpuMilliseconds(stage.pid);
    const lives = await repeat(live, AT_ONCE, options.seconds);
    const used = (await cpuMilliseconds(stage.pid)) - cpu;
    memory.stop();
    if (options.profile) stage.toggleProfile();
    tellLives(figures, lives, used);
    const byStream = async () => await load.giveBack(await load.take("cold", "stream"));
    const { rate } = await repeat(byStream, AT_ONCE, STREAM_SECONDS);
    figures.tell({ name: `lives with ${AT_ONCE} at once, gRPC by streams`, value: rate, unit: "lives/s" });
    tellMemory(figures, memory.megabytes);
    const zxid = await lastZxid(server.port);
    await repeat(live, 1, Number.POSITIVE_INFINITY, COUNTED);
    const steps = Number((await lastZxid(server.port)) - zxid) / COUNTED;
    const transactions = { name: "transactions of a life on demand, gRPC", value: steps, unit: "" };
    figures.tell({ ...transactions, target: 8, against: NODEPOOL.transactions });
    for (const atOnce of [1, AT_ONCE, MANY_AT_ONCE]) {
      await tellRatio(server, figures, { live, atOnce, steps: Math.round(steps) });
    }
    await measurePython(server, stage, figures);
  } finally {
    await stage.close();
  }
}

interface Repeated {
  readonly count: number;
  readonly seconds: number;
  /** A second. */
  readonly rate: number;
  /** Milliseconds from returned to gone. */
  readonly gone: readonly number[];
}

/** Repeats it so many at a time until the time is over or so many were begun. */
async function repeat(
  act: () => Promise<number>,
  atOnce: number,
  seconds: number,
  most = Number.POSITIVE_INFINITY,
): Promise<Repeated> {
  const begun = performance.now();
  const gone: number[] = [];
  let left = most;
  const worker = async () => {
    while (performance.now() - begun < seconds * 1000 && left > 0) {
      left -= 1;
      gone.push(await act());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const took = (performance.now() - begun) / 1000;
  return { count: gone.length, seconds: took, rate: gone.length / took, gone };
}

function tellLives(figures: Figures, { count, rate, seconds, gone }: Repeated, used: number): void {
  const name = `lives with ${AT_ONCE} at once for ${Math.round(seconds)} s, gRPC`;
  figures.tell({ name, value: rate, unit: "lives/s", target: 200, more: true, against: NODEPOOL.rate });
  const cpu = { name: "the launcher's processor time for a life, gRPC", value: used / count, unit: "ms" };
  figures.tell({ ...cpu, target: 5, against: NODEPOOL.cpu });
  figures.tell({ name: "cores used meanwhile", value: used / seconds / 1000, unit: "cores", target: 1.05 });
  figures.tell({ name: "returned to gone meanwhile, p50", value: percentile(gone, 50), unit: "ms" });
}

/** Flat: no more in the last third of the time than in the one before. */
function tellMemory(figures: Figures, megabytes: readonly number[]): void {
  const third = Math.floor(megabytes.length / 3);
  const last = median(megabytes.slice(-third));
  const grown = last - median(megabytes.slice(third, 2 * third));
  figures.tell({ name: "memory meanwhile", value: last, unit: "MB" });
  figures.tell({
    name: "its growth from the second to the last third",
    value: grown,
    unit: "MB",
    target: 10,
  });
}

/** Lives a second, plain transactions in place of as many, and what share the former are of the latter: medians. */
interface Turns {
  readonly lives: number;
  readonly plain: number;
  readonly share: number;
}

/** Lives and plain transactions in turns; both give a rate. */
async function takeTurns(lives: () => Promise<number>, plain: () => Promise<number>): Promise<Turns> {
  const turns: Turns[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const [one, other] = [await lives(), await plain()];
    turns.push({ lives: one, plain: other, share: one / other });
  }
  const of = (figure: keyof Turns) => median(turns.map((turn) => turn[figure]));
  return { lives: of("lives"), plain: of("plain"), share: of("share") };
}

/**
 * Lives beside as many transactions of three writes each, each made alone, by a node-zookeeper-client while nothing else
 * is done.
 */
async function tellRatio(
  server: ZooKeeperServer,
  figures: Figures,
  { live, atOnce, steps }: { live: () => Promise<number>; atOnce: number; steps: number },
): Promise<void> {
  let next = 0;
  const client = await openPlain(server);
  const calls = await Promise.all(
    Array.from({ length: atOnce }, async () => {
      const mode = zookeeper.CreateMode.PERSISTENT_SEQUENTIAL;
      const path = await promised<string>((done) => client.create("/plain-", DATA, mode, done));
      return plainCalls(client, path).multi;
    }),
  );
  const plain = async () => {
    const multi = calls[next++ % atOnce];
    for (let step = 0; step < steps; step += 1) await multi?.();
    return 0;
  };
  const turns = await takeTurns(
    async () => (await repeat(live, atOnce, TURN_SECONDS)).rate,
    async () => (await repeat(plain, atOnce, TURN_SECONDS)).rate,
  );
  client.close();
  tellShare(figures, `lives, ${atOnce} at once, against`, steps, turns);
}

async function measurePython(server: ZooKeeperServer, stage: Stage, figures: Figures): Promise<void> {
  const cpu = await cpuMilliseconds(stage.pid);
  const often = [String(PYTHON_SECONDS), String(FEW_AT_ONCE)] as const;
  const report = await zuulLoad(stage.hosts, "stream", "cold", ...often);
  const used = (await cpuMilliseconds(stage.pid)) - cpu;
  const name = `lives with ${FEW_AT_ONCE} at once, Python`;
  figures.tell({ name, value: rateOf(report), unit: "lives/s", against: NODEPOOL.rate });
  const each = { name: "the launcher's processor time for a life, Python", value: used / report.gone.length };
  figures.tell({ ...each, unit: "ms", target: 5, against: NODEPOOL.cpu });
  const zxid = await lastZxid(server.port);
  await zuulLoad(stage.hosts, "one", "cold", String(COUNTED));
  // Its session begins and ends, which are two more.
  const value = (Number((await lastZxid(server.port)) - zxid) - 2) / COUNTED;
  const transactions = { name: "transactions of a life on demand, beside Zuul", value, unit: "" };
  figures.tell({ ...transactions, target: 20, against: NODEPOOL.transactions });
  for (const atOnce of [FEW_AT_ONCE, AT_ONCE]) {
    await tellPythonRatio(stage, figures, { atOnce, steps: Math.round(value) });
  }
}

/** The same of the Python client: both are made by kazoo, in a process that does nothing else. */
async function tellPythonRatio(
  stage: Stage,
  figures: Figures,
  { atOnce, steps }: { atOnce: number; steps: number },
): Promise<void> {
  const turn = [String(TURN_SECONDS), String(atOnce)] as const;
  const turns = await takeTurns(
    async () => rateOf(await zuulLoad(stage.hosts, "stream", "cold", ...turn)),
    async () => (await zuulLoad(stage.hosts, "plain", String(steps), ...turn)).rate ?? Number.NaN,
  );
  tellShare(figures, `lives with ${atOnce} at once, Python, against`, steps, turns);
}

function tellShare(figures: Figures, what: string, steps: number, { lives, plain, share }: Turns): void {
  figures.tell({
    name: `${what} ${steps} transactions of three writes each, in lives a second`,
    value: share,
    unit: `(${Math.round(lives)} of ${Math.round(plain)})`,
    target: 0.5,
    more: true,
  });
}
