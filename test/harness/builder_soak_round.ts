// One round of the builder soak: a storm of faults while operators work, then fair weather, in which everything becomes as
// it should be; then some more faults, one by one, while every image is built: it has to recover in time.
import { readyBuilds } from "../../services/builder/plan.ts";
import { AWAY_GRACE, IMAGES, TAKEOVER_GRACE } from "./builder_soak_config.ts";
import { BuilderSoakFaults } from "./builder_soak_faults.ts";
import { BuilderSoakOperators } from "./builder_soak_operators.ts";
import { rest, settle } from "./builder_soak_rest.ts";
import type { BuilderSoakWorld } from "./builder_soak_world.ts";
import { until } from "./launcher.ts";
import { SESSION_TIMEOUT_MS } from "./soak_fleet.ts";
import { toleratingStates } from "./soak_tolerance.ts";

/** A builder that falls silent is missed, its builds are taken over, and they are done. */
const RECOVERED_MS = SESSION_TIMEOUT_MS + (TAKEOVER_GRACE + AWAY_GRACE) * 1000 + 15_000;

/** How often every image is built in the end, so that whatever was built before has to go. */
const LAST_BUILDS = 2;

/**
 * Lives one round; what is wrong is in the world.
 *
 * @param strikes how many builders fall silent in fair weather, one after the other
 */
export async function builderSoakRound(
  world: BuilderSoakWorld,
  seed: number,
  stormMs: number,
  strikes = 3,
): Promise<void> {
  world.note(`seed ${seed}`);
  world.isFair = false;
  const faults = new BuilderSoakFaults(world, seed);
  await faults.gather();
  const operators = new BuilderSoakOperators(world, seed);
  await faults.strike(stormMs);
  await operators.rest();
  world.note("operators rest");
  await settle(world);
  for (let count = strikes; count > 0; count -= 1) {
    if (world.wrongs.length > 0) return;
    await Promise.all([buildAll(world), faults.strikeOne()]);
    await settle(world);
  }
  world.isFair = true;
  for (let count = LAST_BUILDS; count > 0; count -= 1) await buildAll(world);
  await rest(world);
}

/** Every image is asked for, and built by whichever builder is there. */
async function buildAll(world: BuilderSoakWorld): Promise<void> {
  const before = new Map(IMAGES.map((image) => [image, readyBuilds(world.view.image(image))[0]?.build]));
  for (const image of IMAGES) {
    await until(`a build of ${image} is asked for`, async () => {
      const [builder] = world.daemons;
      const answer = await builder?.clients.images
        .buildImage({ name: `images/${image}` })
        .catch(toleratingStates);
      return answer !== undefined && !("failed" in answer);
    });
  }
  const since = performance.now();
  const isBuilt = (image: (typeof IMAGES)[number]) => {
    const newest = readyBuilds(world.view.image(image))[0];
    return newest !== undefined && newest.build !== before.get(image);
  };
  const isDone = () => IMAGES.every(isBuilt);
  await until("every image is built anew", isDone, RECOVERED_MS).catch(async (error: Error) =>
    world.wrong(`${error.message}, in fair weather\n  ${await world.explain()}`),
  );
  world.note(`built anew after ${Math.round(performance.now() - since)} ms`);
}
