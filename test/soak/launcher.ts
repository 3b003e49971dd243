// Three launchers among random faults, round after round: see soak_run.ts for the options.
import { WHOLE } from "../harness/soak_config.ts";
import { SoakJudge } from "../harness/soak_judge.ts";
import { soakRound } from "../harness/soak_round.ts";
import { runSoak } from "../harness/soak_run.ts";
import { SoakWorld } from "../harness/soak_world.ts";

/** Runs rounds until time is over. False when something was wrong. */
export function run(args: string[], print: (line: string) => void): Promise<boolean> {
  return runSoak(
    async (servers) => {
      const world = await SoakWorld.open(WHOLE, servers);
      const judge = new SoakJudge(world);
      const round = (seed: number, stormMs: number) => soakRound(world, judge, seed, stormMs);
      return { world, round, close: () => judge.close() };
    },
    args,
    print,
  );
}
