// A launcher of static hosts that is killed between any two steps of a slot's life, as a process of its own on a real
// ZooKeeper and real SSH servers that outlive it: another launcher goes on, and no slot is lost or there twice.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Checkpoint, MOMENTS, type Step } from "../../services/launcher/checkpoint.ts";
import { startFewAtOnce } from "../harness/at_once.ts";
import { casesHere } from "../harness/crash_places.ts";
import { HostCrashWorld } from "../harness/host_crash_world.ts";
import { HostStage } from "../harness/host_stage.ts";

/** So many worlds at a time. */
const AT_ONCE = 6;

/** From the first check of a host to the record that follows a node's use. */
const STEPS: readonly Step[] = [
  "host.check",
  "host.update",
  "host.register",
  "request.assign",
  "node.delete",
  "node.remove",
  "node.forget",
];

describe("a launcher of static hosts that is killed", () => {
  const places = casesHere(STEPS.flatMap((step) => MOMENTS.map((moment): Checkpoint => `${step}:${moment}`)));
  let stage: HostStage;
  let folder: string;
  let worlds: ReadonlyMap<Checkpoint, Promise<void>> = new Map();
  before(async () => {
    stage = await HostStage.open();
    folder = await mkdtemp(join(tmpdir(), "nodepool-crash-"));
    worlds = startFewAtOnce(AT_ONCE, places, (place) => live(stage, folder, place));
  });
  after(async () => {
    await Promise.allSettled(worlds.values());
    await stage.close();
    await rm(folder, { recursive: true });
  });

  for (const place of places) {
    it(`at ${place.replace(":", ", ")}`, async () => {
      await worlds.get(place);
    });
  }
});

async function live(stage: HostStage, folder: string, place: Checkpoint): Promise<void> {
  const world = await HostCrashWorld.open(stage, folder, place);
  try {
    await world.during(world.useAll().then(() => world.settled()));
  } finally {
    await world.close();
  }
}
