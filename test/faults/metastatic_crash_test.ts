// A launcher of nodes that share others is killed between any two steps, as a process of its own on a real ZooKeeper and a
// cloud that outlives it: another launcher goes on, and no slot is lost or given out twice, nothing is left behind.
// NODEPOOL_CRASH_MOMENTS=before,sent,after tries all moments of all steps.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import type { Step } from "../../services/launcher/checkpoint.ts";
import { casesHere, momentsOf } from "../harness/crash_places.ts";
import { type CrashPlace, SharedCrashWorld } from "../harness/shared_crash_world.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

/** So many worlds at a time: each waits most of the time. */
const AT_ONCE = 12;

/** Steps of the driver's own. */
const OWN: readonly Step[] = [
  "backing.ask",
  "backing.take",
  "backing.fail",
  "backing.withdraw",
  "backing.retire",
];

/** Steps of any launch, and of which node: the first node that shares is launched before the one beneath it. */
const OTHERS: readonly (readonly [Step, number, string])[] = [
  ["node.create", 1, "a node that shares"],
  ["node.create", 2, "a backing node"],
  ["request.fulfil", 1, "a backing node"],
  ["node.note", 2, "a node that shares, with its slot"],
  ["node.delete", 1, "a node that shares"],
  ["node.remove", 1, "a node that shares"],
  ["node.remove", 4, "a backing node"],
];

const places: readonly (CrashPlace & { readonly about: string })[] = casesHere([
  // What comes before a step is mostly what comes after the one ahead of it.
  ...OWN.flatMap((step) =>
    momentsOf("sent", "after").map((moment) => {
      // The backing node, the first node on it, and the second one, which is not reached.
      const unreachable = step === "backing.fail" ? 3 : 0;
      return { checkpoint: `${step}:${moment}` as const, time: 1, unreachable, about: "" };
    }),
  ),
  ...OTHERS.flatMap(([step, time, about]) =>
    momentsOf("sent").map((moment) => {
      return { checkpoint: `${step}:${moment}` as const, time, unreachable: 0, about: ` of ${about}` };
    }),
  ),
]);

describe("a launcher of nodes that share others is killed", () => {
  let server: ZooKeeperServer;
  let folder: string;
  const outcomes = places.map(() => Promise.withResolvers<void>());
  for (const { promise } of outcomes) promise.catch(() => {});
  before(async () => {
    server = await startZooKeeper({ longestSessionMs: LONGEST_SESSION_MS });
    folder = await mkdtemp(join(tmpdir(), "nodepool-shared-crash-"));
    const waiting = places.map((place, index) => async () => {
      await runWorld(server, folder, place).then(outcomes[index]?.resolve, outcomes[index]?.reject);
    });
    const work = async () => {
      for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) await run();
    };
    for (let count = 0; count < AT_ONCE; count += 1) void work();
  });
  after(async () => {
    await Promise.allSettled(outcomes.map(({ promise }) => promise));
    await server.close();
    await rm(folder, { recursive: true });
  });

  for (const [index, { checkpoint, about }] of places.entries()) {
    it(`at ${checkpoint.replace(":", ", ")}${about}`, () => outcomes[index]?.promise);
  }
});

async function runWorld(server: ZooKeeperServer, folder: string, place: CrashPlace): Promise<void> {
  const world = await SharedCrashWorld.open(server, folder, place);
  try {
    await world.during(live(world, place));
  } finally {
    await world.close();
  }
}

async function live(world: SharedCrashWorld, { checkpoint }: CrashPlace): Promise<void> {
  if (checkpoint.startsWith("backing.withdraw")) await world.failForWantOfABackingNode();
  await world.fillAndEmpty();
  await world.settled();
}
