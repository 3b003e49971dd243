// Calls per second of our session beside node-zookeeper-client's own connection, on one server in one run; and how
// long the view takes to begin with many nodes, and to show a change.
import { Buffer } from "node:buffer";
import zookeeper from "node-zookeeper-client";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Operation, Session } from "../../lib/zookeeper/types.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const DATA = Buffer.alloc(1024, "x");
const ROUND_MS = 500;
const ROUNDS = 5;
const NODES = 10_000;

type Call = (index: number) => Promise<unknown>;
type Calls = Readonly<Record<"create" | "set" | "get" | "multi", Call>>;

/** Runs the benchmark and prints one JSON object a line. */
export async function run(print: (line: string) => void): Promise<void> {
  const server = await startZooKeeper();
  try {
    await compareCalls(server, print);
    await measureView(server, print);
  } finally {
    await server.close();
  }
}

async function compareCalls(server: ZooKeeperServer, print: (line: string) => void): Promise<void> {
  const session = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
  await session.connected();
  for (const path of ["/bench", "/bench/ours", "/bench/plain"])
    await session.create(path, DATA, "persistent");
  const plain = zookeeper.createClient(server.connectString, { sessionTimeout: 10_000 });
  await new Promise<void>((resolve) => {
    plain.once("connected", resolve);
    plain.connect();
  });
  const clients = { ours: ourCalls(session), plain: plainCalls(plain) };
  for (const name of ["create", "set", "get", "multi"] as const) {
    for (const inFlight of [1, 64]) {
      const rates = await measureInTurns(clients.ours[name], clients.plain[name], inFlight);
      const [value, against] = [median(rates.ours), median(rates.plain)];
      const ratio = median(rates.ours.map((rate, round) => rate / (rates.plain[round] ?? rate)));
      print(
        JSON.stringify({
          name: `${name}, ${inFlight} in flight`,
          value: Math.round(value),
          unit: "calls/s",
          against: Math.round(against),
          ratio: Number(ratio.toFixed(2)),
          target: 1,
          target_met: ratio >= 1,
        }),
      );
    }
  }
  plain.close();
  await session.deleteRecursive("/bench");
  await session.close();
}

/** Rates of both, turn by turn, the first for warming up and the order changing: what else runs here hits both. */
async function measureInTurns(
  ours: Call,
  plain: Call,
  inFlight: number,
): Promise<Record<"ours" | "plain", number[]>> {
  const rates: Record<"ours" | "plain", number[]> = { ours: [], plain: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const order = [["ours", ours] as const, ["plain", plain] as const];
    if (round % 2 === 1) order.reverse();
    for (const [client, call] of order) {
      const rate = await callsPerSecond(call, inFlight);
      if (round > 0) rates[client].push(rate);
    }
  }
  return rates;
}

function ourCalls(session: Session): Calls {
  const steps: Operation[] = [
    { kind: "create", path: "/bench/ours/t-", data: DATA, mode: "persistent" },
    { kind: "set", path: "/bench/ours", data: DATA, version: -1 },
    { kind: "delete", path: "/bench/ours/t-", version: -1 },
  ];
  return {
    create: () => session.create("/bench/ours/n-", DATA, "persistent-sequential"),
    set: () => session.set("/bench/ours", DATA, -1),
    get: () => session.get("/bench/ours"),
    multi: () => session.multi(steps),
  };
}

function plainCalls(client: ReturnType<typeof zookeeper.createClient>): Calls {
  const promised = (start: (done: (error: Error | null, result: unknown) => void) => void) =>
    new Promise<unknown>((resolve, reject) => {
      start((error, result) => (error ? reject(error) : resolve(result)));
    });
  const path = "/bench/plain";
  return {
    create: () =>
      promised((done) => client.create(`${path}/n-`, DATA, zookeeper.CreateMode.PERSISTENT_SEQUENTIAL, done)),
    set: () => promised((done) => client.setData(path, DATA, -1, done)),
    get: () => promised((done) => client.getData(path, done)),
    multi: () =>
      promised((done) =>
        client
          .transaction()
          .create(`${path}/t-`, DATA)
          .setData(path, DATA, -1)
          .remove(`${path}/t-`, -1)
          .commit(done),
      ),
  };
}

async function callsPerSecond(call: Call, inFlight: number): Promise<number> {
  const begin = performance.now();
  let calls = 0;
  const worker = async () => {
    while (performance.now() - begin < ROUND_MS) {
      calls += 1;
      await call(calls);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (calls * 1000) / (performance.now() - begin);
}

async function measureView(server: ZooKeeperServer, print: (line: string) => void): Promise<void> {
  const session = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
  await session.ensurePath("/nodepool/nodes");
  const data = encodeNode(newNode(1, { state: "ready", type: ["small"], provider: "cloud" }));
  const batch = Array.from({ length: 100 }, (): Operation => {
    return { kind: "create", path: "/nodepool/nodes/", data, mode: "persistent-sequential" };
  });
  for (let made = 0; made < NODES; made += batch.length) {
    const created = await session.multi(batch);
    await session.multi(
      created.flatMap((result): Operation[] =>
        result.kind === "create"
          ? [{ kind: "create", path: `${result.path}/lock`, data: new Uint8Array(), mode: "persistent" }]
          : [],
      ),
    );
  }
  const begin = performance.now();
  const view = openView(session, silentLogger);
  await view.ready();
  const started = performance.now() - begin;
  print(line(`view ready with ${[...view.nodes()].length} locked nodes`, started, 5000));

  const delays: number[] = [];
  const [node] = view.nodes();
  for (let change = 0; change < 300; change += 1) {
    const sent = performance.now();
    const seen = new Promise<void>((resolve) => {
      const stop = view.subscribe(() => {
        stop();
        resolve();
      });
    });
    await Promise.all([session.set(`/nodepool/nodes/${node?.id}`, data, -1), seen]);
    delays.push(performance.now() - sent);
  }
  print(line("write of a node to its change in the view, median", median(delays), 10));
  await view.close();
  await session.close();
}

function line(name: string, milliseconds: number, target: number): string {
  const value = Number(milliseconds.toFixed(2));
  return JSON.stringify({ name, value, unit: "ms", target, target_met: value <= target });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
