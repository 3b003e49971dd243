// The same for the steps that a launcher seldom takes: each is brought about, the launcher is killed there, and another
// one goes on with it and with an ordinary life afterwards. NODEPOOL_CRASH_MOMENTS=before,sent,after tries them all.
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { NODES, nodePath, requestLockPath, requestPath } from "../../lib/model/paths.ts";
import { encodeRequest, MIN_READY_REQUESTOR, newRequest } from "../../lib/model/request.ts";
import { MOMENTS, type Step } from "../../services/launcher/checkpoint.ts";
import { encodeOwnData } from "../../services/launcher/request/own_data.ts";
import { casesHere, momentsOf } from "../harness/crash_places.ts";
import { idOf } from "../harness/launcher_case.ts";
import { type LIFE_STEPS, liveAndSettle, runCrashWorlds } from "../harness/launcher_crash_runs.ts";
import { MAX_SERVERS } from "../harness/launcher_crash_victim.ts";
import type { LauncherCrashWorld } from "../harness/launcher_crash_world.ts";

type Provoke = (world: LauncherCrashWorld) => Promise<void>;

/** A launch that waits at the cloud until what else happens has happened. */
async function duringLaunch(world: LauncherCrashWorld, act: Provoke): Promise<void> {
  await world.tree.node(null, "ready");
  const { promise, resolve } = Promise.withResolvers<void>();
  world.cloud.weather.gate = promise;
  try {
    await act(world);
  } finally {
    world.cloud.weather.gate = null;
    resolve();
  }
}

/** A request that its creator withdraws while its node is launched. The node becomes free, or goes. */
async function withdrawDuringLaunch(world: LauncherCrashWorld): Promise<void> {
  let node = "";
  await duringLaunch(world, async () => {
    const id = await world.tree.ask();
    node = await world.tree.node(id, "building");
    await world.tree.withdraw(id);
    await world.tree.untilUnlocked(requestLockPath(id));
  });
  await world.tree.untilFree(node);
}

/**
 * Of a request that a launcher that is gone has left: it is served, and its creator does not come for it. Its node is
 * free then, for whoever asks next: before that, another one would be launched beside it.
 */
async function servedForNobody(world: LauncherCrashWorld, id: string): Promise<void> {
  await world.tree.untilRequest(id, "fulfilled");
  const node = await world.tree.node(id, "ready");
  world.noteGiven(id, [node]);
  await world.tree.withdraw(id);
  await world.tree.untilFree(node);
}

/** Every step that an ordinary life does not take. Those of shared nodes and of hosts have tests of their own. */
type OddStep = Exclude<Step, (typeof LIFE_STEPS)[number] | `backing.${string}` | `host.${string}`>;

const PROVOCATIONS: Readonly<Record<OddStep, Provoke>> = {
  "request.supplement": async (world) => {
    await world.tree.node(null, "ready");
    // Not even for it in place of the one that is ready.
    world.cloud.weather.quota = 0;
    const request = await world.create("large");
    await world.waits(request, /want of quota/);
    world.cloud.weather.quota = Infinity;
    await world.fulfilled(request);
    await world.release(request);
  },
  "request.adopt": async (world) => {
    const id = "200-0000000777";
    const now = Date.now() / 1000;
    const pending = newRequest(now, { nodeTypes: ["large"], requestor: "zuul", state: "pending" });
    const place = { provider: "cloud", pool: "main", type: ["large"], launcher: "gone" };
    const node = newNode(now, { ...place, allocatedTo: id, requestor: "zuul" });
    await world.tree.session.multi([
      { kind: "create", path: requestPath(id), data: encodeRequest(pending), mode: "persistent" },
      { kind: "create", path: `${NODES}/`, data: encodeNode(node), mode: "persistent-sequential" },
    ]);
    await servedForNobody(world, id);
  },
  "request.reset": async (world) => {
    await servedForNobody(world, await world.tree.ask({ state: "pending" }));
  },
  "request.drop": withdrawDuringLaunch,
  "node.store": withdrawDuringLaunch,
  "node.abandon": (world) =>
    duringLaunch(world, async () => {
      const request = await world.create("large");
      await world.tree.node(idOf(request), "building");
      await world.release(request);
    }),
  "request.decline": async (world) => {
    const request = await world.create(...Array.from({ length: MAX_SERVERS + 1 }, () => "large"));
    await world.failed(request);
    await world.release(request);
  },
  "request.give_up": async (world) => {
    await world.tree.node(null, "ready");
    world.cloud.weather.failCreates = 1000;
    const request = await world.create("large");
    await world.failed(request);
    world.cloud.weather.failCreates = 0;
    await world.release(request);
  },
  "node.free": async (world) => servedForNobody(world, await world.tree.ask()),
  "node.hold": holdAndRelease,
  "node.release": holdAndRelease,
  "node.return": async (world) => {
    const request = await world.create("large");
    const node = await world.fulfilled(request);
    await world.tree.withdraw(idOf(request));
    await world.tree.untilGone(nodePath(node));
  },
  "node.delete": async (world) => {
    const id = await world.tree.ask();
    await world.tree.untilRequest(id, "fulfilled");
    const node = await world.tree.node(id, "ready");
    await world.tree.use(node);
    await world.tree.withdraw(id);
    await world.tree.untilGone(nodePath(node));
  },
  "node.force": async (world) => {
    const request = await world.create("large");
    const node = await world.fulfilled(request);
    await world.deleteNode(node);
    await world.tree.untilGone(nodePath(node));
    await world.release(request);
  },
  "node.sweep": async (world) => {
    const path = nodePath("0000000999");
    await world.tree.session.create(path, new Uint8Array(), "persistent");
    await world.tree.untilGone(path);
  },
  "min_ready.settle": async (world) => {
    const id = "900-0000000777";
    const own = { requestor: MIN_READY_REQUESTOR, requestorData: encodeOwnData({ minReady: true }) };
    const left = newRequest(Date.now() / 1000, { nodeTypes: ["large"], state: "failed", ...own });
    await world.tree.session.create(requestPath(id), encodeRequest(left), "persistent");
    await world.tree.untilGone(requestPath(id));
  },
};

async function holdAndRelease(world: LauncherCrashWorld): Promise<void> {
  const request = await world.create("large");
  const node = await world.fulfilled(request);
  await world.holdNode(node);
  await world.release(request);
  await world.tree.node(idOf(request), "hold");
  await world.releaseNode(node);
  await world.tree.untilGone(nodePath(node));
}

/** Steps of a takeover and of a deletion, after which others go on with what only the tree says. */
const ALL_MOMENTS: ReadonlySet<OddStep> = new Set([
  "request.adopt",
  "request.reset",
  "request.supplement",
  "node.delete",
]);

describe("a launcher that is killed at what it seldom does", () => {
  const steps = Object.keys(PROVOCATIONS) as OddStep[];
  const momentsHere = (step: OddStep) =>
    momentsOf(...(ALL_MOMENTS.has(step) ? MOMENTS : (["sent"] as const)));
  const cases = casesHere(
    steps.flatMap((step) => momentsHere(step).map((moment) => ({ place: `${step}:${moment}` as const }))),
  );
  const ended = runCrashWorlds(cases, async (world, { place }) => {
    const [step = ""] = place.split(":");
    await PROVOCATIONS[step as OddStep](world);
    await liveAndSettle(world);
  });
  for (const one of cases) {
    it(`at ${one.place.replace(":", ", ")}`, () => ended(one));
  }
});
