// Three launchers among random faults, round after round: --minutes N (default 10) --seed S (default 1), --servers 3 on an
// ensemble of so many servers of ZooKeeper (default 1). Each round has a seed of its own, the next number. The first round in which something is wrong is the last.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { messageOf } from "../../lib/std/errors.ts";
import { WHOLE } from "../harness/soak_config.ts";
import { SoakJudge } from "../harness/soak_judge.ts";
import { soakRound } from "../harness/soak_round.ts";
import { SoakWorld } from "../harness/soak_world.ts";

const STORM_MS = 40_000;
/** Rounds in which memory may still find its level. */
const WARM_UP = 3;
const ALLOWED_MB = 60;

/** Runs rounds until time is over, one at least. False when something was wrong. */
export async function run(args: string[], print: (line: string) => void): Promise<boolean> {
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
  const world = await SoakWorld.open(WHOLE, Number(values.servers));
  const judge = new SoakJudge(world);
  const memory: number[] = [];
  let seed = Number(values.seed);
  try {
    do {
      const since = performance.now();
      await soakRound(world, judge, seed, Number(values.storm) * 1000).catch((error: unknown) =>
        world.wrong(messageOf(error)),
      );
      memory.push(judge.memory());
      const took = Math.round((performance.now() - since) / 1000);
      print(`seed ${seed}: ${took} s, ${memory.at(-1)} MB, ${world.wrongs.length} wrong`);
      seed += 1;
    } while (performance.now() < end && world.wrongs.length === 0);
    const [level, last] = [Math.max(...memory.slice(0, WARM_UP)), memory.at(-1) ?? 0];
    if (last > level + ALLOWED_MB) world.wrong(`the memory of a launcher grew from ${level} to ${last} MB`);
  } finally {
    judge.close();
    await world.close();
  }
  print(JSON.stringify(Object.fromEntries([...world.counts].sort())));
  if (world.wrongs.length === 0) return true;
  const folder = await mkdtemp(join(tmpdir(), "nodepool-soak-logs-"));
  const logs = [...world.oldLogs, ...world.launchers.map(({ program }) => program.output())];
  for (const [index, log] of logs.entries()) await writeFile(join(folder, `${index}.log`), log);
  print(`the last events:\n${world.events}\nWRONG:\n${world.wrongs.join("\n")}`);
  const again = `npm run soak -- launcher --minutes 0 --seed ${seed - 1} --servers ${values.servers}`;
  print(`the launchers' logs are in ${folder}; again: ${again}`);
  return false;
}
