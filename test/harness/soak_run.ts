// Rounds of a soak, one after the other, each with a seed of its own: --minutes N (default 10) --seed S (default 1)
// --storm seconds, --servers 3 on an ensemble of so many servers of ZooKeeper (default 1). The first round in which
// something is wrong is the last.
import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/std/errors.ts";
import type { SoakFleet } from "./soak_fleet.ts";

const STORM_MS = 40_000;
/** Rounds in which memory may still find its level. */
const WARM_UP = 3;
const ALLOWED_MB = 60;

/** A soak that is ready to begin. */
export interface Soak {
  readonly world: SoakFleet<unknown>;
  /** Lives one round; what is wrong is in the world. */
  round(seed: number, stormMs: number): Promise<void>;
  /** Looks at nothing any more. */
  close(): void;
}

/**
 * Runs rounds until time is over, one at least. False when something was wrong.
 *
 * @param open begins a soak on a ZooKeeper of so many servers
 */
export async function runSoak(
  open: (servers: number) => Promise<Soak>,
  args: string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    servers: { type: "string", default: "1" },
    storm: { type: "string", default: String(STORM_MS / 1000) },
  } as const;
  const { values } = parseArgs({ args, options });
  const end = performance.now() + Number(values.minutes) * 60_000;
  // Ctrl-C leaves no process behind: each ends with this one.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const soak = await open(Number(values.servers));
  const { world } = soak;
  const memory: number[] = [];
  let seed = Number(values.seed);
  try {
    do {
      const since = performance.now();
      await soak
        .round(seed, Number(values.storm) * 1000)
        .catch((error: unknown) => world.wrong(messageOf(error)));
      memory.push(memoryOf(world));
      const took = Math.round((performance.now() - since) / 1000);
      print(`seed ${seed}: ${took} s, ${memory.at(-1)} MB, ${world.wrongs.length} wrong`);
      seed += 1;
    } while (performance.now() < end && world.wrongs.length === 0);
    const [level, last] = [Math.max(...memory.slice(0, WARM_UP)), memory.at(-1) ?? 0];
    if (last > level + ALLOWED_MB)
      world.wrong(`the memory of a ${world.kind} grew from ${level} to ${last} MB`);
  } finally {
    soak.close();
    await world.close();
  }
  print(JSON.stringify(Object.fromEntries([...world.counts].sort())));
  if (world.wrongs.length === 0) return true;
  const folder = await mkdtemp(join(tmpdir(), "nodepool-soak-logs-"));
  const logs = [...world.oldLogs, ...world.daemons.map(({ program }) => program.output())];
  for (const [index, log] of logs.entries()) await writeFile(join(folder, `${index}.log`), log);
  print(`the last events:\n${world.events}\nWRONG:\n${world.wrongs.join("\n")}`);
  const again = `npm run soak -- ${world.kind} --minutes 0 --seed ${seed - 1} --servers ${values.servers}`;
  print(`the ${world.kind}s' logs are in ${folder}; again: ${again}`);
  return false;
}

/** Megabytes of the daemon that is never ended; 0 where that cannot be told. */
function memoryOf({ daemons }: SoakFleet<unknown>): number {
  const pid = daemons.at(-1)?.program.pid;
  try {
    const [, kilobytes = 0] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kilobytes) / 1024);
  } catch {
    return 0;
  }
}
