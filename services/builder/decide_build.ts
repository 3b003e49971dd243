// Whether an image is to be built.

import type { DiskImageConfig, ProviderConfig } from "../../lib/config/types.ts";
import { formatsOf } from "../../lib/model/image.ts";
import { formatTime } from "../../lib/std/format_time.ts";
import type { ImageEntry } from "../../lib/zookeeper/view.ts";
import { hasReadyUpload } from "./decide_upload.ts";
import {
  type BuildAction,
  type BuilderConfig,
  buildKey,
  buildName,
  type Facts,
  hindrance,
  isGivenUp,
  readyBuilds,
  type Waiting,
  waiting,
} from "./plan.ts";
import { LOOK_AGAIN, roomProblem } from "./room.ts";

/** Why an image must be built now, or until when its newest build will do. */
export type Need =
  | { readonly due: true; readonly reason: string; readonly requestTime: number | null }
  | { readonly due: false; readonly reason: string; readonly next: number };

/** The need for a build, whether or not anything stands in the way. A request comes before every other reason. */
export function buildNeed(diskimage: DiskImageConfig, image: ImageEntry | undefined, now: number): Need {
  const request = image?.buildRequest ?? null;
  if (request !== null) return { due: true, reason: "a build was asked for", requestTime: request.time };
  const newest = readyBuilds(image)[0];
  if (newest?.record == null) return { due: true, reason: "there is no ready build", requestTime: null };
  const { stateTime } = newest.record;
  // What is of the future was stamped by a clock that was ahead: ZooKeeper has written down when it came.
  const made = stateTime > now ? Math.min(stateTime, newest.modifiedAt) : stateTime;
  const next = made + diskimage.rebuildAge;
  if (now >= next) {
    const reason = `the newest build is of ${formatTime(made)}, older than rebuild-age (${diskimage.rebuildAge} s)`;
    return { due: true, reason, requestTime: null };
  }
  const present = formatsOf(newest.record);
  const missing = diskimage.formats.filter((format) => !present.includes(format));
  if (missing.length > 0) {
    return { due: true, reason: `the newest build lacks ${missing.join(", ")}`, requestTime: null };
  }
  const reason = `the newest build is of ${formatTime(made)}; the next is due at ${formatTime(next)}`;
  return { due: false, reason, next };
}

/** Whether to build an image that the configuration names. */
export function decideBuild(
  diskimage: DiskImageConfig,
  image: ImageEntry | undefined,
  config: BuilderConfig,
  facts: Facts,
): BuildAction | Waiting {
  const step = { key: buildKey(diskimage.name), image: diskimage.name };
  const stranded = strandedBuild(diskimage.name, image, config, facts);
  const need = withStranded(buildNeed(diskimage, image, facts.now), stranded, facts.now);
  if (facts.running.has(step.key)) {
    return waiting(step, "running", `it is being built here${need.due ? `: ${need.reason}` : ""}`);
  }
  const blocked = buildGate(diskimage, image, config.file);
  if (blocked !== null) return waiting(step, blocked.rule, blocked.reason);
  if (!need.due) return waiting(step, "fresh", need.reason, need.next);
  const cramped = roomGate(step, need.reason, facts);
  if (cramped !== null) return cramped;
  const occupied = occupation(step, image, facts);
  if (occupied !== null) return occupied;
  const setback = facts.setbacks.get(step.key);
  const anew = need.requestTime !== null && setback !== undefined && setback.requestTime !== need.requestTime;
  const set = anew ? null : hindrance(step, facts);
  const { reason, requestTime } = need;
  const replaces = reason === stranded?.reason ? stranded.build : null;
  return set ?? { kind: "build", ...step, reason, requestTime, replaces };
}

/** A build that cannot be uploaded, because its files are gone, or the builder that has them is away. */
interface Stranded {
  readonly build: string;
  /** Until when they may come back, in seconds. */
  readonly until: number;
  readonly reason: string;
}

/** The newest build, if a provider lacks it that can be reached from here, and its file cannot. */
function strandedBuild(
  name: string,
  image: ImageEntry | undefined,
  config: BuilderConfig,
  facts: Facts,
): Stranded | null {
  const newest = readyBuilds(image)[0];
  if (newest?.record == null) return null;
  const { build } = newest;
  const { builder, builderId } = newest.record;
  const isOwn = builderId === facts.builderId;
  const since = isOwn ? facts.now : facts.awaySince.get(builderId ?? "");
  if (since === undefined) return null;
  const formats = formatsOf(newest.record);
  const present = facts.files.get(buildName(name, build))?.formats;
  const lacking = config.providers.find(
    (provider) =>
      isTaker(provider, name) &&
      facts.served.has(provider.name) &&
      formats.includes(provider.imageFormat) &&
      !present?.has(provider.imageFormat) &&
      !newest.uploading.has(provider.name) &&
      !hasReadyUpload(newest, provider.name),
  );
  if (lacking === undefined) return null;
  const what = `${lacking.name} lacks the newest build, whose`;
  if (isOwn) return { build, until: facts.now, reason: `${what} ${lacking.imageFormat} file was deleted` };
  const reason = `${what} files are at ${builder}; the builder that made it is away`;
  return { build, until: since + facts.awayGrace, reason };
}

/** Whether a provider is to have the image's newest build. */
function isTaker(provider: ProviderConfig, image: string): boolean {
  if (!provider.managesImages || isGivenUp(provider)) return false;
  return provider.diskimages.some((listed) => listed.name === image && !listed.pause);
}

function withStranded(need: Need, stranded: Stranded | null, now: number): Need {
  if (need.due || stranded === null) return need;
  const { reason, until } = stranded;
  if (until <= now) return { due: true, reason, requestTime: null };
  if (until >= need.next) return need;
  return {
    due: false,
    reason: `${reason}: it is built anew at ${formatTime(until)} if it stays away`,
    next: until,
  };
}

/** What forbids building an image at any time: a pause, or nothing to build. Null when it may be built. */
export function buildGate(
  diskimage: DiskImageConfig,
  image: ImageEntry | undefined,
  configFile: string,
): { readonly rule: "paused" | "no-formats"; readonly reason: string } | null {
  if (diskimage.pause) return { rule: "paused", reason: `builds are paused in ${configFile}` };
  const unpause = `nodepool image-unpause ${diskimage.name}`;
  if (image?.paused)
    return { rule: "paused", reason: `builds are paused by an operator: ${unpause} ends that` };
  if (diskimage.formats.length > 0) return null;
  return {
    rule: "no-formats",
    reason: "it names no formats and no provider lists it: there is nothing to build",
  };
}

/** A disk on which the build cannot fit. */
function roomGate(step: { key: string; image: string }, due: string, { room, now }: Facts): Waiting | null {
  const found = room.get(step.image);
  const problem = found === undefined ? null : roomProblem(found);
  return problem === null ? null : waiting(step, "no-room", `${due}, but ${problem}`, now + LOOK_AGAIN);
}

/** Somebody else who is building the image, or who may still come back to it. */
function occupation(
  step: { key: string; image: string },
  image: ImageEntry | undefined,
  facts: Facts,
): Waiting | null {
  const building = (image?.builds ?? []).filter((build) => build.record?.state === "building");
  if (image !== undefined && image.lock.contenders.length > 0) {
    const builder = building.at(-1)?.record?.builder ?? "another builder";
    return waiting(step, "locked", `it is being built at ${builder}`);
  }
  for (const { build, record } of building) {
    if (facts.building.has(build)) return waiting(step, "running", `build ${build} is being finished here`);
    if (record === null || record.builderId === facts.builderId) continue;
    const until = (facts.lockFreeSince.get(build) ?? facts.now) + facts.takeoverGrace;
    if (until <= facts.now) continue;
    const reason = `${record.builder ?? "another builder"} lost its lock on build ${build} and may take it back until ${formatTime(until)}`;
    return waiting(step, "lock-lost", reason, until);
  }
  return null;
}
