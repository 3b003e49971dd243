// A launcher that is killed between any two steps of a request's life, as a process of its own on a real ZooKeeper
// and a cloud that outlives it: another launcher goes on, and nothing is lost, leaked or given out twice.
import { describe, it } from "node:test";
import { MOMENTS } from "../../services/launcher/checkpoint.ts";
import { LIFE_STEPS, liveAndSettle, runCrashWorlds } from "../harness/launcher_crash_runs.ts";

describe("a launcher that is killed", () => {
  const places = LIFE_STEPS.flatMap((step) => MOMENTS.map((moment) => `${step}:${moment}` as const));
  const ended = runCrashWorlds(places, liveAndSettle);
  for (const place of places) {
    it(`at ${place.replace(":", ", ")}`, () => ended(place));
  }
});
