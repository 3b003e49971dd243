// One round of the launcher soak: a storm of faults while clients work, then fair weather, in which everything comes to
// rest; then one more fault under load, from which it has to recover in time.
import { messageOf } from "../../lib/std/errors.ts";
import { awakeTime } from "./awake_time.ts";
import { until } from "./launcher.ts";
import { LeaseHolder } from "./lease_holder.ts";
import { SoakClients } from "./soak_clients.ts";
import { SoakFaults } from "./soak_faults.ts";
import { SESSION_TIMEOUT_MS } from "./soak_fleet.ts";
import type { SoakJudge } from "./soak_judge.ts";
import type { SoakWorld } from "./soak_world.ts";

/** What is in the hands of a launcher goes on so soon after it has fallen silent. */
const RECOVERED_MS = SESSION_TIMEOUT_MS + 5000;
const PROBES = 6;

/** Lives one round; what is wrong is in the world. */
export async function soakRound(
  world: SoakWorld,
  judge: SoakJudge,
  seed: number,
  stormMs: number,
): Promise<void> {
  world.note(`seed ${seed}`);
  const faults = new SoakFaults(world, seed);
  const clients = new SoakClients(world, seed);
  await faults.strike(stormMs);
  await judge.configured();
  await releaseBrakes(world);
  const settled = Promise.withResolvers<void>();
  try {
    await clients.rest(settled.promise);
    world.note("clients rest");
    await judge.settle();
  } finally {
    settled.resolve();
  }
  if (world.wrongs.length === 0) {
    await recover(world, faults);
    await judge.configured();
    await judge.rest();
  }
}

/** What went wrong in the storm looks like a cloud that lies: an operator knows better. */
async function releaseBrakes({ launchers }: SoakWorld): Promise<void> {
  for (const { clients, number } of launchers) {
    for (const provider of ["alpha", "beta", "meta"]) {
      const release = () => clients.providers.releaseBrake({ name: `providers/${provider}` });
      const isReleased = () =>
        release().then(
          () => true,
          () => false,
        );
      await until(`launcher ${number} serves ${provider}`, isReleased);
    }
  }
}

/** Requests that are made while one launcher falls silent are served by the others. */
async function recover(world: SoakWorld, faults: SoakFaults): Promise<void> {
  const clients = world.launchers.map((launcher) => launcher.clients);
  const probe = async (first: number) => {
    const holder = new LeaseHolder(clients, world.cloud, first);
    await holder.ask("small", 60, { reuse: first % 2 === 0 });
    const since = awakeTime();
    await holder.begin().catch((error: unknown) => world.wrong(`in fair weather: ${messageOf(error)}`));
    const took = awakeTime() - since;
    if (took > RECOVERED_MS) world.wrong(`${holder.name} had to wait for ${took} ms in fair weather`);
    world.note(`${holder.name} was served after ${took} ms`);
    await holder.release();
  };
  const probes = Array.from({ length: PROBES }, (_, first) => probe(first));
  await Promise.all([...probes, faults.strikeOne()]);
}
