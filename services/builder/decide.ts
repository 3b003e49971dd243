// The builder's one decision function: what to build, upload, keep and delete, with the reason for each.
import type { ImageEntry } from "../../lib/zookeeper/view.ts";
import { decideBuild } from "./decide_build.ts";
import { decideCleanup, decideFiles } from "./decide_cleanup.ts";
import { decideUploads } from "./decide_upload.ts";
import {
  type Action,
  type BuildAction,
  type BuilderConfig,
  buildKey,
  type Decision,
  type Facts,
  type Plan,
  partsOfKey,
  type UploadAction,
  type Waiting,
  waiting,
} from "./plan.ts";
import { LOOK_AGAIN, type Room, roomProblem } from "./room.ts";
import { shareUploads } from "./share_uploads.ts";

/**
 * Decides on everything at once. Deterministic: equal arguments give equal plans.
 *
 * @param images what ZooKeeper knows; must be complete and current
 */
export function decide(images: Iterable<ImageEntry>, config: BuilderConfig, facts: Facts): Plan {
  if (facts.obstacle !== null) return standStill(facts.obstacle, config, facts);
  const entries = new Map(Array.from(images, (entry) => [entry.image, entry]));
  const decisions: Decision[] = [];
  for (const diskimage of config.diskimages.values()) {
    const entry = entries.get(diskimage.name);
    decisions.push(decideBuild(diskimage, entry, config, facts));
    decisions.push(...decideUploads(diskimage.name, entry, config, facts));
  }
  for (const entry of entries.values()) decisions.push(...decideCleanup(entry, config, facts));
  for (const files of facts.files.values()) {
    decisions.push(decideFiles(files, entries.get(files.image), config, facts));
  }
  const takers = config.providers.filter((each) => each.managesImages && each.diskimages.length > 0);
  return allot(decisions, takers.length, facts);
}

/** Does nothing while images-dir is out of reach: what lies there cannot be known. */
function standStill(obstacle: string, { diskimages }: BuilderConfig, { now }: Facts): Plan {
  const next = now + LOOK_AGAIN;
  const waits = Array.from(diskimages.keys(), (image) =>
    waiting({ key: buildKey(image), image }, "no-images-dir", obstacle, next),
  );
  return { actions: [], waiting: waits, next };
}

/** Gives the workers to what needs them; the rest waits for one. */
function allot(decisions: readonly Decision[], takers: number, facts: Facts): Plan {
  const actions: Action[] = [];
  const waits: Waiting[] = [];
  const builds: BuildAction[] = [];
  const uploads: UploadAction[] = [];
  for (const decision of decisions) {
    if (decision.kind === "waiting") waits.push(decision);
    else if (decision.kind === "build") builds.push(decision);
    else if (decision.kind === "upload") uploads.push(decision);
    else actions.push(decision);
  }
  const grant = <T extends Action>(
    candidates: readonly T[],
    workers: number,
    prefix: string,
    what: string,
  ) => {
    const busy = [...facts.running].filter((key) => key.startsWith(prefix)).length;
    const free = Math.max(0, workers - busy);
    actions.push(...candidates.slice(0, free));
    for (const [ahead, candidate] of candidates.slice(free).entries()) {
      const queue = ahead === 0 ? "next in line" : `${ahead} ahead of it`;
      const whom = workers === 1 ? `the ${what} worker` : `one of ${workers} ${what} workers`;
      const reason = `${candidate.reason}; it waits for ${whom}, ${queue}`;
      waits.push(waiting(candidate, "workers-busy", reason));
    }
  };
  grant(withRoom(orderBuilds(builds), facts, waits), facts.buildWorkers, "build/", "build");
  const shared = shareUploads(uploads, facts, takers);
  waits.push(...shared.waits);
  grant(shared.ordered, facts.uploadWorkers, "upload/", "upload");
  const times = waits.flatMap(({ next }) => (next === null ? [] : [next]));
  return { actions, waiting: waits, next: times.length === 0 ? null : Math.min(...times) };
}

/** Those that fit on the disk together with the builds that run and those that go before. */
function withRoom(builds: readonly BuildAction[], facts: Facts, waits: Waiting[]): BuildAction[] {
  const claims: Room[] = [];
  const claim = (image: string) => {
    const room = facts.room.get(image);
    if (room !== undefined) claims.push(room);
  };
  for (const key of facts.running) if (key.startsWith("build/")) claim(partsOfKey(key).image);
  return builds.filter((build) => {
    const room = facts.room.get(build.image);
    const problem = room === undefined ? null : roomProblem(room, claims);
    if (problem === null) claim(build.image);
    else waits.push(waiting(build, "no-room", `${build.reason}, but ${problem}`, facts.now + LOOK_AGAIN));
    return problem === null;
  });
}

/** Requested builds first, in the order in which they were asked for; then the order of the configuration. */
function orderBuilds(builds: readonly BuildAction[]): BuildAction[] {
  return builds.toSorted((a, b) => (a.requestTime ?? Infinity) - (b.requestTime ?? Infinity) || 0);
}
