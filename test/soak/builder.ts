// Three builders among random faults, round after round: see soak_run.ts for the options.
import { BUSY } from "../harness/builder_soak_config.ts";
import { BuilderSoakJudge } from "../harness/builder_soak_judge.ts";
import { builderSoakRound } from "../harness/builder_soak_round.ts";
import { BuilderSoakWorld } from "../harness/builder_soak_world.ts";
import { runSoak } from "../harness/soak_run.ts";

/** Runs rounds until time is over. False when something was wrong. */
export function run(args: string[], print: (line: string) => void): Promise<boolean> {
  return runSoak(
    async (servers) => {
      const world = await BuilderSoakWorld.open(BUSY, servers);
      const judge = new BuilderSoakJudge(world);
      const round = (seed: number, stormMs: number) => builderSoakRound(world, seed, stormMs);
      return { world, round, close: () => judge.close() };
    },
    args,
    print,
  );
}
