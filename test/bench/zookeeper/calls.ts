// Calls per second, and the processor's time for each, with 1, 64 and 256 in flight.
import process from "node:process";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import { CALL_NAMES, DATA, openPlain, openSession, ourCalls, plainCalls } from "./clients.ts";
import { kazoo } from "./kazoo.ts";
import { compared, type Report } from "./report.ts";

const IN_FLIGHT = [1, 64, 256];
const ROUND_MS = 400;
const ROUNDS = 7;
/** Calls of each in a round with one in flight. */
const CALLS_ALONE = 100;
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
      const measured =
        inFlight === 1
          ? await measureAlone(ours[name], theirs[name])
          : await measureInTurns(ours[name], theirs[name], inFlight);
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
  for (let round = 0; round <= ROUNDS; round += 1) {
    const order = [["ours", ours] as const, ["plain", plain] as const];
    if (round % 2 === 1) order.reverse();
    for (const [client, call] of order) {
      const result = await measure(call, inFlight);
      if (round > 0) measured[client].push(result);
    }
  }
  return measured;
}

/**
 * One call in flight: then each is a sync of the disk, and these vary from second to second more than the clients do.
 * So the clients take turns call by call.
 */
async function measureAlone(ours: () => Promise<unknown>, plain: () => Promise<unknown>) {
  const measured: Record<"ours" | "plain", Measured[]> = { ours: [], plain: [] };
  const turns = [
    { client: "ours", call: ours },
    { client: "plain", call: plain },
  ] as const;
  for (let round = 0; round <= ROUNDS_ALONE; round += 1) {
    const spent = { ours: { time: 0, cpu: 0 }, plain: { time: 0, cpu: 0 } };
    for (let turn = 0; turn < CALLS_ALONE; turn += 1) {
      for (const { client, call } of turns) {
        const [begin, before] = [performance.now(), process.cpuUsage()];
        await call();
        const { user, system } = process.cpuUsage(before);
        spent[client].time += performance.now() - begin;
        spent[client].cpu += user + system;
      }
    }
    if (round === 0) continue;
    for (const client of ["ours", "plain"] as const) {
      const { time, cpu } = spent[client];
      measured[client].push({ rate: (CALLS_ALONE * 1000) / time, cpu: cpu / CALLS_ALONE });
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
