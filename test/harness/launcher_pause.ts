// The life of a launcher that is stopped past its ZooKeeper session and then goes on. Meanwhile another one takes over.
import assert from "node:assert/strict";
import { until } from "./launcher.ts";
import type { LauncherCrashWorld } from "./launcher_crash_world.ts";
import { type ClientKind, take } from "./node_client.ts";
import { recordsAndLocks, wakeUp as wakeLauncher } from "./wake.ts";

/** When the stopped launcher goes on: while the nodes are in use that it has worked on, or when they are gone. */
export type Wake = "in use" | "given back";

/** What happens to the clients' nodes, and to the launcher that was stopped. */
export type Moment = Wake | "awake";

/**
 * An ordinary life in which a launcher is stopped and goes on; in the end it serves alone.
 *
 * @param reach hears of each moment
 * @param late how many creates the cloud may carry out once the launcher goes on
 */
export async function liveThroughPause(
  world: LauncherCrashWorld,
  client: ClientKind,
  wake: Wake,
  reach: (moment: Moment) => void = () => {},
  late: () => number = () => Math.max(1, world.creating),
): Promise<void> {
  const pass = async (moment: Wake) => {
    // Before the cloud carries anything out late: a node that is gone may have an instance again then.
    if (wake === moment) await checkTakeover(world);
    reach(moment);
    if (wake === moment) await wakeUp(world, reach, late);
  };
  const cold = await take(world, client, "large");
  await world.tree.node(null, "ready");
  const warm = await take(world, client, "small");
  assert.notDeepEqual(cold.ids, warm.ids, "no node is given out twice");
  await pass("in use");
  await cold.giveBack();
  await warm.giveBack();
  await world.settled();
  world.giveUpCalls();
  await pass("given back");
  await world.settled();
  await serveAlone(world, client);
  world.allocations.check();
}

/**
 * The same where the launcher is stopped when the cloud has got its first creates, which are carried out only at this
 * moment. Those of the other one are carried out at once.
 */
export async function liveThroughLateCreate(world: LauncherCrashWorld, carriedOut: Moment): Promise<void> {
  const { weather, calls } = world.cloud;
  const { promise, resolve } = Promise.withResolvers<void>();
  weather.gate = promise;
  let held = 1;
  const reach = (moment: Moment) => {
    if (moment === carriedOut) resolve();
  };
  // Those that the cloud has got, and one that the launcher may have been about to make when it was stopped.
  const life = liveThroughPause(world, "grpc", "given back", reach, () => held + 1);
  await Promise.race([life, until("a create is on its way", () => calls.length > 0)]);
  await world.stopVictim();
  held = calls.length;
  weather.gate = null;
  await life;
}

async function checkTakeover(world: LauncherCrashWorld): Promise<void> {
  await world.survivor();
  await world.check();
}

/** Lets the stopped launcher go on while nothing else happens. */
async function wakeUp(
  world: LauncherCrashWorld,
  reach: (moment: Moment) => void,
  late: () => number,
): Promise<void> {
  const { victim, clients, cloud, view } = world;
  let made = 0;
  await wakeLauncher({
    ...{ victim, clients, view, session: world.tree.session, server: world.server },
    isQuiet: () => isQuiet(world),
    state: () => stateOf(world),
    onQuiet: () => {
      made = cloud.made.length;
    },
    onAwake: async () => {
      reach("awake");
      await world.answered();
    },
  });
  // Nobody can take back the calls that are being made at that moment.
  assert.ok(cloud.made.length <= made + late(), `launches were begun anew: ${cloud.made.slice(made)}`);
}

/** Whether each node is in use or free, some of these, and each request has its nodes. */
function isQuiet({ view }: LauncherCrashWorld): boolean {
  const nodes = [...view.nodes()].map(({ record, lock }) => `${record?.state} ${lock.contenders.length}`);
  return (
    nodes.includes("ready 0") &&
    nodes.every((node) => node === "ready 0" || node === "in-use 1") &&
    [...view.requests()].every(({ record, lock }) => {
      return record?.state === "fulfilled" && lock.contenders.length === 0;
    })
  );
}

/** All nodes and requests, and whether the instance of each node is there. */
function stateOf({ view, cloud }: LauncherCrashWorld): unknown {
  const instances = [...view.nodes()].map(({ record }) => cloud.instances.has(String(record?.externalId)));
  return { records: recordsAndLocks(view), instances };
}

/** The launcher that was stopped does what the other one did. */
async function serveAlone(world: LauncherCrashWorld, client: ClientKind): Promise<void> {
  await world.endSurvivor();
  const { giveBack } = await take(world, client, "large");
  await giveBack();
  await world.settled();
}
