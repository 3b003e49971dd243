// Calls per second, and the processor's time for each, with 1, 64 and 256 in flight.
import process from "node:process";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import { CALL_NAMES, DATA, openPlain, openSession, ourCalls, plainCalls } from "./clients.ts";
import { kazoo } from "./kazoo.ts";
import { compared, type Report } from "./report.ts";

const IN_FLIGHT = [1, 64, 256];
const ROUND_MS = 400;
const ROUNDS = 7;
/** With one call in flight a round is a few hundred syncs of the disk, and they vary more than the clients do. */
const ROUNDS_ALONE = 21;

interface Measured {
  /** Calls per second. */
  readonly rate: number;
  /** Microseconds of this process's processor time for each call. */
  readonly cpu: number;
}

/** Compares ours with the plain client's, and its rates with kazoo's. */
export async function compareCalls(server: ZooKeeperServer, report: Report): Promise<void> {
  const session = await openSession(server);
  const plain = await openPlain(server);
  for (const path of ["/bench", "/bench/ours", "/bench/plain", "/bench/kazoo"]) {
    await session.create(path, DATA, "persistent");
  }
  const ours = ourCalls(session, "/bench/ours");
  const theirs = plainCalls(plain, "/bench/plain");
  for (const name of CALL_NAMES) {
    for (const inFlight of IN_FLIGHT) {
      const measured = await measureInTurns(ours[name], theirs[name], inFlight);
      const what = `${name}, ${inFlight} in flight`;
      const pick = (field: keyof Measured) => ({
        ours: measured.ours.map((one) => one[field]),
        theirs: measured.plain.map((one) => one[field]),
      });
      report(compared({ name: what, unit: "calls/s", ...pick("rate"), better: "more", target: 1 }));
      const cost = { unit: "µs of processor/call", better: "less", target: 1 } as const;
      report(compared({ name: `${what}, cost`, ...pick("cpu"), ...cost }));
      const rate = await kazoo(server, ["rate", "/bench/kazoo", name, String(inFlight), "2"]);
      const [own, other] = [pick("rate").ours, pick("rate").ours.map(() => rate)];
      const beside = { ours: own, theirs: other, unit: "calls/s", better: "more", target: 1 } as const;
      report(compared({ name: `${what}, beside kazoo`, ...beside }));
    }
  }
  plain.close();
  await session.deleteRecursive("/bench");
  await session.close();
}

/** Both, turn by turn, the first for warming up and the order changing: what else runs here hits both. */
async function measureInTurns(ours: () => Promise<unknown>, plain: () => Promise<unknown>, inFlight: number) {
  const measured: Record<"ours" | "plain", Measured[]> = { ours: [], plain: [] };
  const rounds = inFlight === 1 ? ROUNDS_ALONE : ROUNDS;
  for (let round = 0; round <= rounds; round += 1) {
    const order = [["ours", ours] as const, ["plain", plain] as const];
    if (round % 2 === 1) order.reverse();
    for (const [client, call] of order) {
      const result = await measure(call, inFlight);
      if (round > 0) measured[client].push(result);
    }
  }
  return measured;
}

async function measure(call: () => Promise<unknown>, inFlight: number): Promise<Measured> {
  const begin = performance.now();
  const before = process.cpuUsage();
  let calls = 0;
  const worker = async () => {
    while (performance.now() - begin < ROUND_MS) {
      calls += 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const { user, system } = process.cpuUsage(before);
  return { rate: (calls * 1000) / (performance.now() - begin), cpu: (user + system) / calls };
}
