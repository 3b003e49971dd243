// How long a launcher takes to record the slots of many static hosts, some of which hang: real SSH servers on loopback,
// a real ZooKeeper. Options: --hosts N (500), --hanging N (20), --slots N (4).
import process from "node:process";
import { parseArgs } from "node:util";
import { startFleet } from "../harness/host_fleet.ts";
import { HostStage } from "../harness/host_stage.ts";
import { recordsIn } from "../harness/hosts.ts";
import { until } from "../harness/launcher.ts";
import { Figures } from "./launcher/measure.ts";

const PATIENCE_MS = 120_000;
/** For 500 hosts with 4 slots each, 20 of them hanging. */
const TARGET_SECONDS = 10;

/** Runs the benchmark and prints one JSON object a line. */
export async function run(print: (line: string) => void, args: readonly string[]): Promise<void> {
  const number = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: { hosts: number("500"), hanging: number("20"), slots: number("4") },
  });
  const [hosts, hanging, slots] = [Number(values.hosts), Number(values.hanging), Number(values.slots)];
  const stage = await HostStage.open();
  try {
    const fleet = await startFleet(stage.servers, { hosts, hanging, slots, timeout: 5 });
    const count = fleet.good.length * slots;
    const [began, processor] = [performance.now(), process.cpuUsage()];
    // The hanging ones are first in line.
    const launcher = await stage.begin([...fleet.hanging, ...fleet.good]);
    const ready = () => recordsIn(launcher).filter(({ state }) => state === "ready").length;
    await until(`${count} ready slots`, () => ready() === count, PATIENCE_MS);
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(processor);
    const all = hosts * slots;
    await until(`${all} slots`, () => recordsIn(launcher).length === all, PATIENCE_MS);
    const whole = (performance.now() - began) / 1000;
    const figures = new Figures((result) => print(JSON.stringify(result)), "node");
    const of = `${hosts} hosts with ${slots} slots, ${hanging} of them hanging`;
    figures.tell({ name: `${of}: all others ready`, value: seconds, unit: "s", target: TARGET_SECONDS });
    figures.tell({
      name: `${of}: the launcher's processor time for that`,
      value: (user + system) / 1e6,
      unit: "s",
    });
    figures.tell({ name: `${of}: the hanging ones recorded as out of service`, value: whole, unit: "s" });
  } finally {
    await stage.end();
    await stage.close();
  }
}
