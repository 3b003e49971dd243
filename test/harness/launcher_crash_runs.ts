// Runs worlds in which a launcher is killed: one for each place, a few at a time.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { Checkpoint, Step } from "../../services/launcher/checkpoint.ts";
import { startFewAtOnce } from "./at_once.ts";
import type { VictimSetting } from "./launcher_crash_victim.ts";
import { LauncherCrashWorld } from "./launcher_crash_world.ts";
import { startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";

/** So many worlds at a time: each takes a while and little of the machine. */
const AT_ONCE = 6;

/**
 * Runs one world for each place, with a ZooKeeper for all of them, as hooks of the suite that calls it.
 *
 * @returns what waits for the end of the world of a place
 */
export function runCrashWorlds(
  places: readonly Checkpoint[],
  live: (world: LauncherCrashWorld, place: Checkpoint) => Promise<void>,
): (place: Checkpoint) => Promise<void> {
  const liveAndCheck = async (world: LauncherCrashWorld, place: Checkpoint) => {
    await live(world, place);
    world.check();
  };
  return runWorlds(places, (place) => ({ place }), liveAndCheck);
}

/** The same for any cases; `victimOf` says where and how the launcher of one ends. */
export function runWorlds<T>(
  cases: readonly T[],
  victimOf: (one: T) => VictimSetting,
  live: (world: LauncherCrashWorld, one: T) => Promise<void>,
): (one: T) => Promise<void> {
  let server: ZooKeeperServer;
  let folder: string;
  let worlds: ReadonlyMap<T, Promise<void>> = new Map();
  before(async () => {
    server = await startZooKeeper();
    folder = await mkdtemp(join(tmpdir(), "nodepool-crash-"));
    worlds = startFewAtOnce(AT_ONCE, cases, async (one) => {
      const world = await LauncherCrashWorld.open(server, folder, victimOf(one));
      try {
        await live(world, one);
      } finally {
        await world.close();
      }
    });
  });
  after(async () => {
    await Promise.allSettled(worlds.values());
    await server.close();
    await rm(folder, { recursive: true });
  });
  return async (one) => await worlds.get(one);
}

/** The steps that a request for a new node and one for a ready node go through, until both nodes are returned. */
export const LIFE_STEPS = [
  "min_ready.ask",
  "request.create",
  "request.claim",
  "node.intend",
  "node.create",
  "node.note",
  "node.scan",
  "request.fulfil",
  "request.assign",
  "request.release",
  "node.remove",
  "node.forget",
] as const satisfies readonly Step[];

/** An ordinary life: a request for a new node, one for a ready node, and both are given back. */
export async function liveAndSettle(world: LauncherCrashWorld): Promise<void> {
  const cold = await world.create("large");
  const coldNode = await world.fulfilled(cold);
  const warm = await world.create("small");
  const warmNode = await world.fulfilled(warm);
  assert.notEqual(coldNode, warmNode, "no node is given out twice");
  await world.release(cold);
  await world.release(warm);
  await world.settled();
}
