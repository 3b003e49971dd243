// A launcher that is killed between any two steps of a request's life, as a process of its own on a real ZooKeeper
// and a cloud that outlives it: another launcher goes on, and nothing is lost, leaked or given out twice.
import { describe, it } from "node:test";
import { type Checkpoint, MOMENTS, type Step } from "../../services/launcher/checkpoint.ts";
import { casesHere } from "../harness/crash_places.ts";
import {
  type CrashCase,
  LIFE_LAUNCHES,
  LIFE_STEPS,
  liveAndSettle,
  runCrashWorlds,
} from "../harness/launcher_crash_runs.ts";

/** At each moment of these steps. */
const casesOf = (more: Omit<CrashCase, "place">, ...steps: Step[]): CrashCase[] =>
  steps.flatMap((step) => MOMENTS.map((moment) => ({ place: `${step}:${moment}` as const, ...more })));

/** Between which another launcher finds something else of a launch: nothing, perhaps an instance, an instance, its id. */
const LAUNCH_PLACES: readonly Checkpoint[] = [
  "node.intend:after",
  "node.create:sent",
  "node.create:after",
  "node.note:sent",
  "node.note:after",
  "node.scan:sent",
];

describe("a launcher that is killed", () => {
  // The first claim, launch and node that is handed over are min-ready's. The second claim is for two nodes.
  const cases = casesHere([
    ...casesOf({ client: "grpc", time: 1 }, ...LIFE_STEPS),
    ...LAUNCH_PLACES.map((place): CrashCase => ({ place, client: "grpc", time: 2 })),
    ...casesOf({ client: "grpc", time: 2 }, "request.fulfil"),
    ...casesOf({ client: "zuul", time: 2 }, "request.claim", "request.fulfil"),
    ...casesOf({ client: "zuul", time: 1 }, "request.assign", "node.delete"),
  ]);
  const ended = runCrashWorlds(cases, async (world, { client }) => {
    await liveAndSettle(world, client);
    world.checkMade(LIFE_LAUNCHES);
  });
  for (const one of cases) {
    const { place, client, time } = one;
    it(`at ${place.replace(":", ", ")}, time ${time}, with nodes of ${client}`, () => ended(one));
  }
});
