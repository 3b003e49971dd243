// Runs worlds in which a launcher is killed: one for each place, a few at a time.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import type { Checkpoint, Step } from "../../services/launcher/checkpoint.ts";
import { startFewAtOnce } from "./at_once.ts";
import { until } from "./launcher.ts";
import { MAX_SERVERS, type VictimSetting } from "./launcher_crash_victim.ts";
import { LauncherCrashWorld } from "./launcher_crash_world.ts";
import { type ClientKind, type Taken, take, useAsZuul } from "./node_client.ts";
import { startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";
import { ZuulHand } from "./zuul_hand.ts";

/** So many worlds at a time: each takes a while and little of the machine. */
const AT_ONCE = 8;
const PATIENCE_MS = 180_000;

/** Which launcher is killed where, and whose life it is. */
export type CrashCase = VictimSetting & { readonly place: Checkpoint; readonly client?: ClientKind };

/**
 * Runs one world for each case, with a ZooKeeper for all of them, as hooks of the suite that calls it.
 *
 * @returns what waits for the end of the world of a case
 */
export function runCrashWorlds(
  cases: readonly CrashCase[],
  live: (world: LauncherCrashWorld, one: CrashCase) => Promise<void>,
): (one: CrashCase) => Promise<void> {
  const liveAndCheck = async (world: LauncherCrashWorld, one: CrashCase) => {
    await live(world, one);
    await world.check();
  };
  return runWorlds(cases, (one) => one, liveAndCheck);
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
    server = await startZooKeeper({ longestSessionMs: LONGEST_SESSION_MS });
    folder = await mkdtemp(join(tmpdir(), "nodepool-crash-"));
    worlds = startFewAtOnce(AT_ONCE, cases, async (one) => {
      const world = await LauncherCrashWorld.open(server, folder, victimOf(one));
      try {
        await world.during(live(world, one));
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

/** The steps that requests for new nodes and for ready ones go through, until all nodes are returned. */
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

/**
 * So many instances are made in an ordinary life: four for the requests, the first of them for min-ready, which then wants
 * another one for each of the two ready nodes that were given away.
 */
export const LIFE_LAUNCHES = 6;

/**
 * An ordinary life: three requests at once for one ready node and for new ones, as many as there is room for; another one for a
 * ready node; and all are given back.
 */
export async function liveAndSettle(world: LauncherCrashWorld, client: ClientKind = "grpc"): Promise<void> {
  await world.tree.node(null, "ready");
  const taken = await Promise.all(client === "grpc" ? await contend(world) : await contendAsZuul(world));
  const nodes = taken.flatMap(({ ids }) => ids);
  assert.equal(new Set(nodes).size, MAX_SERVERS, `no node is given out twice: ${nodes}`);
  await Promise.all(taken.map(({ giveBack }) => giveBack()));
  await world.tree.node(null, "ready");
  const warm = await take(world, client, "small");
  await warm.giveBack();
  await world.settled();
}

/** The ready node is given to a request of Zuul, who locks it only when the others have theirs. */
async function contendAsZuul(world: LauncherCrashWorld): Promise<Promise<Taken>[]> {
  const zuul = new ZuulHand(world.tree.session);
  const first = await zuul.ask("small");
  await zuul.answered(first);
  const others = [await zuul.ask("small", "large"), await zuul.ask("small")];
  await Promise.all(others.map((request) => zuul.answered(request)));
  return [first, ...others].map((request) => useAsZuul(world, zuul, request));
}

/** The ready node goes to a request that waits for a second one, and is not locked until then. */
async function contend(world: LauncherCrashWorld): Promise<Promise<Taken>[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  world.cloud.weather.gate = promise;
  try {
    const both = take(world, "grpc", "small", "large");
    const isLarge = () => [...world.view.nodes()].some(({ record }) => record?.type[0] === "large");
    await until("the second one", isLarge, PATIENCE_MS);
    const others = [take(world, "grpc", "small"), take(world, "grpc", "small")];
    const asked = () => [...world.view.requests()].filter(({ record }) => record?.requestor === "tester");
    await until("all have asked", () => asked().length === 3, PATIENCE_MS);
    return [both, ...others];
  } finally {
    world.cloud.weather.gate = null;
    resolve();
  }
}
