// The same as launcher_pause_test.ts where nodes share others, and where they are slots of static hosts: a launcher that
// is stopped past its session, and goes on when another one has taken over.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Checkpoint, Step } from "../../services/launcher/checkpoint.ts";
import { startFewAtOnce } from "../harness/at_once.ts";
import { casesHere, LATE_MOMENTS } from "../harness/crash_places.ts";
import { HostCrashWorld } from "../harness/host_crash_world.ts";
import { HostStage } from "../harness/host_stage.ts";
import type { Wake } from "../harness/launcher_pause.ts";
import { SharedCrashWorld } from "../harness/shared_crash_world.ts";

/** So many worlds at a time: each waits most of the time. */
const AT_ONCE = 10;

interface Case {
  readonly driver: "metastatic" | "static";
  readonly place: Checkpoint;
  readonly wake: Wake;
}

const casesOf = (driver: Case["driver"], wake: Wake, steps: readonly Step[]): Case[] =>
  steps.flatMap((step) =>
    LATE_MOMENTS.map((moment) => ({ driver, wake, place: `${step}:${moment}` as const })),
  );

/** Of which node: the second is noted with its slot, after the one beneath it. The third scan is of the second node there. */
const WHICH: Readonly<Record<string, { readonly time?: number; readonly unreachable?: number }>> = {
  "node.note": { time: 2 },
  "backing.fail": { unreachable: 3 },
};

const CASES: readonly Case[] = casesHere([
  ...casesOf("metastatic", "in use", ["backing.ask", "backing.take", "backing.fail", "node.note"]),
  ...casesOf("metastatic", "given back", ["backing.retire"]),
  ...casesOf("static", "in use", ["host.check", "host.register", "host.update", "request.assign"]),
  ...casesOf("static", "given back", ["node.remove"]),
]);

describe("a launcher that is stopped past its session, and goes on late", () => {
  let stage: HostStage;
  let folder: string;
  let worlds: ReadonlyMap<Case, Promise<void>> = new Map();
  before(async () => {
    stage = await HostStage.open();
    folder = await mkdtemp(join(tmpdir(), "nodepool-pause-"));
    worlds = startFewAtOnce(AT_ONCE, CASES, (one) =>
      one.driver === "static" ? liveOnHosts(stage, folder, one) : liveOnShares(stage, folder, one),
    );
  });
  after(async () => {
    await Promise.allSettled(worlds.values());
    await stage.close();
    await rm(folder, { recursive: true });
  });

  for (const one of CASES) {
    const { driver, place, wake } = one;
    it(`at ${place.replace(":", ", ")}, when nodes of ${driver} are ${wake}`, async () => {
      await worlds.get(one);
    });
  }
});

async function liveOnShares({ server }: HostStage, folder: string, { place, wake }: Case): Promise<void> {
  const [step = ""] = place.split(":");
  const world = await SharedCrashWorld.open(server, folder, {
    ...{ checkpoint: place, time: 1, unreachable: 0, ...WHICH[step], ending: "SIGSTOP" },
  });
  try {
    await world.fillAndEmpty(wake === "in use" ? () => world.wakeUp() : undefined);
    await world.settled();
    if (wake === "given back") await world.wakeUp();
  } finally {
    await world.close();
  }
}

async function liveOnHosts(stage: HostStage, folder: string, { place, wake }: Case): Promise<void> {
  const world = await HostCrashWorld.open(stage, folder, place, "SIGSTOP");
  try {
    await world.useAll(wake === "in use" ? () => world.wakeUp() : undefined);
    await world.settled();
    if (wake === "given back") await world.wakeUp();
  } finally {
    await world.close();
  }
}
