// A launcher that is stopped at any step of a request's life for longer than its ZooKeeper session lives, as a process
// of its own on a real ZooKeeper. Another one takes over; when the stopped one goes on, nothing that it does late counts.
import { describe, it } from "node:test";
import type { Checkpoint, Step } from "../../services/launcher/checkpoint.ts";
import { casesHere, LATE_MOMENTS } from "../harness/crash_places.ts";
import { LIFE_STEPS, runWorlds } from "../harness/launcher_crash_runs.ts";
import { liveThroughLateCreate, liveThroughPause, type Wake } from "../harness/launcher_pause.ts";
import type { ClientKind } from "../harness/node_client.ts";

type Case = { readonly place: Checkpoint; readonly client: ClientKind; readonly wake: Wake };

function casesOf(client: ClientKind, wake: Wake, steps: readonly Step[]): Case[] {
  return steps.flatMap((step) =>
    LATE_MOMENTS.map((moment) => ({ place: `${step}:${moment}` as const, client, wake })),
  );
}

const isLast = (step: Step) => ["request.release", "node.remove", "node.forget"].includes(step);
const isOfGrpc = (step: Step) => ["request.create", "request.release"].includes(step);

describe("a launcher that is stopped past its session", () => {
  const cases = casesHere([
    ...casesOf(
      "grpc",
      "in use",
      LIFE_STEPS.filter((step) => !isLast(step)),
    ),
    ...casesOf("grpc", "given back", ["request.release"]),
    ...casesOf("zuul", "given back", [...LIFE_STEPS.filter((step) => !isOfGrpc(step)), "node.delete"]),
  ]);
  const ended = runWorlds(
    cases,
    ({ place }) => ({ place, ending: "SIGSTOP" }),
    (world, { client, wake }) => liveThroughPause(world, client, wake),
  );
  for (const one of cases) {
    const { place, client, wake } = one;
    it(`at ${place.replace(":", ", ")}, and goes on when nodes of ${client} are ${wake}`, () => ended(one));
  }
});

describe("a launch that fails when its launcher goes on", () => {
  const late = { provider: "launch-timeout: 1" };
  const cases = [
    { place: "node.create:sent", ...late },
    { place: "node.note:after", ...late },
    { place: "node.scan:before", unreachable: 1 },
  ] as const;
  const ended = runWorlds(
    cases,
    (one) => ({ ...one, ending: "SIGSTOP" }),
    (world) => liveThroughPause(world, "grpc", "in use"),
  );
  for (const one of cases) {
    it(`leaves the instance to its user, at ${one.place.replace(":", ", ")}`, () => ended(one));
  }
});

describe("a create that is carried out late, of a launcher that was stopped", () => {
  const cases = (["in use", "given back", "awake"] as const).map((moment) => ({ moment }));
  const ended = runWorlds(
    cases,
    () => ({ place: null, ending: "SIGSTOP" }),
    (world, { moment }) => liveThroughLateCreate(world, moment),
  );
  const when = {
    "in use": "its node is in use",
    "given back": "its node is gone",
    awake: "the launcher goes on",
  };
  for (const one of cases) {
    it(`leaves no instance in the end, when ${when[one.moment]}`, () => ended(one));
  }
});
