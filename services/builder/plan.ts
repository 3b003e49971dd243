// What the builder knows when it decides, and what it decides: plain data, without I/O.

import type { Config, ProviderConfig } from "../../lib/config/types.ts";
import { formatTime } from "../../lib/std/format_time.ts";
import type { BuildEntry, ImageEntry } from "../../lib/zookeeper/view.ts";

import type { Room } from "./room.ts";

/** The files of one build in this builder's images-dir, as far as they are ours. */
export interface LocalBuild {
  readonly image: string;
  readonly build: string;
  /** Extensions of the image files that are there, as qcow2. */
  readonly formats: ReadonlySet<string>;
  /**
   * What this ZooKeeper says of a build that has no record in it: `gone` when it held the record once, `foreign` when
   * it never did, `unknown` before anybody has looked.
   */
  readonly standing: "unknown" | "gone" | "foreign";
}

/** An action that failed, or that somebody else is at, and that is not to be repeated before `until` (seconds). */
export interface Setback {
  readonly failures: number;
  readonly until: number;
  /** The last failure; null when there was none. */
  readonly error: string | null;
  /** The time of the build request that the failed attempt served; a later request does not wait. */
  readonly requestTime: number | null;
}

/** A provider's uploads that have failed since the last one that succeeded there. */
export interface Trouble {
  /** Images of which an upload has failed. */
  readonly images: ReadonlySet<string>;
  readonly failures: number;
  /** When the provider may be tried again (seconds), if it is the provider that fails. */
  readonly until: number;
  readonly error: string;
}

/** Uploads of so many different images have failed: it is the provider that fails, not an image. */
const TROUBLED_IMAGES = 3;

/** Whether a provider takes no image at all. */
export function isTroubled(trouble: Trouble | undefined): trouble is Trouble {
  return trouble !== undefined && trouble.images.size >= TROUBLED_IMAGES;
}

/** What only this process knows. Times are seconds since the epoch. */
export interface Facts {
  readonly now: number;
  /** This builder's id, as in the records of its builds. */
  readonly builderId: string;
  /** By {@link buildName}. */
  readonly files: ReadonlyMap<string, LocalBuild>;
  /** Keys of the actions that are under way here. */
  readonly running: ReadonlySet<string>;
  /** Ids of the builds that are under way here. */
  readonly building: ReadonlySet<string>;
  /** By the key of the action that failed. */
  readonly setbacks: ReadonlyMap<string, Setback>;
  /** By provider. */
  readonly troubles: ReadonlyMap<string, Trouble>;
  /** Providers that answer. */
  readonly served: ReadonlySet<string>;
  /** Providers that do not, with the reason. */
  readonly unserved: ReadonlyMap<string, string>;
  /** Since when another builder's running build is seen without its lock; by build id. */
  readonly lockFreeSince: ReadonlyMap<string, number>;
  /** Since when a builder that has made builds is not seen to run; by builder id. */
  readonly awaySince: ReadonlyMap<string, number>;
  /** Whether a Python builder runs beside us. */
  readonly besidePython: boolean;
  /** What forbids to work with images-dir at all, in a sentence; null when nothing does. */
  readonly obstacle: string | null;
  /** How long a builder that has the files of the newest build may be away, in seconds. */
  readonly awayGrace: number;
  /** How long another builder has to take such a lock back, in seconds. */
  readonly takeoverGrace: number;
  /** Of each image of which it is known what it takes. */
  readonly room: ReadonlyMap<string, Room>;
  readonly buildWorkers: number;
  readonly uploadWorkers: number;
}

/** The parts of the configuration that decisions depend on. */
export type BuilderConfig = Pick<Config, "file" | "diskimages" | "providers">;

interface Step {
  /** Names the action: equal keys are never under way twice. */
  readonly key: string;
  readonly image: string;
  /** Why, in a sentence without a final stop. */
  readonly reason: string;
}

export interface BuildAction extends Step {
  readonly kind: "build";
  /** The time of the request that asks for it (seconds), or null when the builder itself wants it. */
  readonly requestTime: number | null;
  /** The build whose files are out of reach and that is to be replaced; null when it is not for that. */
  readonly replaces: string | null;
}

export interface UploadAction extends Step {
  readonly kind: "upload";
  readonly build: string;
  readonly provider: string;
}

export interface DeleteUploadAction extends Step {
  readonly kind: "delete-upload";
  readonly build: string;
  readonly provider: string;
  readonly upload: string;
  /** The version of the record that was judged: another one is judged anew. */
  readonly version: number;
}

export interface DeleteBuildAction extends Step {
  readonly kind: "delete-build";
  readonly build: string;
  /** The version of the record that was judged: another one is judged anew. */
  readonly version: number;
}

export interface DeleteFilesAction extends Step {
  readonly kind: "delete-files";
  readonly build: string;
  /** Only these formats; null for everything that belongs to the build. */
  readonly formats: readonly string[] | null;
}

export interface ExamineFilesAction extends Step {
  readonly kind: "examine-files";
  readonly build: string;
}

export type Action =
  | BuildAction
  | UploadAction
  | DeleteUploadAction
  | DeleteBuildAction
  | DeleteFilesAction
  | ExamineFilesAction;

/** The first rule that stands in the way of an action. */
export type Rule =
  | "no-images-dir"
  | "running"
  | "paused"
  | "no-formats"
  | "no-room"
  | "fresh"
  | "no-build"
  | "locked"
  | "lock-lost"
  | "set-back"
  | "workers-busy"
  | "not-served"
  | "given-up"
  | "uploaded"
  | "no-format"
  | "not-here"
  | "kept"
  | "last-word"
  | "not-ours"
  | "in-use"
  | "unreadable";

/** Something that is not done, the rule that forbids it, and when that rule may end (seconds; null: not by time). */
export interface Waiting {
  readonly kind: "waiting";
  readonly key: string;
  readonly image: string;
  readonly rule: Rule;
  readonly reason: string;
  readonly next: number | null;
}

export type Decision = Action | Waiting;

/** What to do now, what not and why not, and when to look again if nothing happens before (seconds). */
export interface Plan {
  readonly actions: readonly Action[];
  readonly waiting: readonly Waiting[];
  readonly next: number | null;
}

export const buildName = (image: string, build: string) => `${image}-${build}`;
export const buildKey = (image: string) => `build/${image}`;
export const uploadKey = (image: string, build: string, provider: string) =>
  `upload/${image}/${build}/${provider}`;
export const deleteUploadKey = (image: string, build: string, provider: string, upload: string) =>
  `delete-upload/${image}/${build}/${provider}/${upload}`;
export const deleteBuildKey = (image: string, build: string) => `delete-build/${image}/${build}`;
export const filesKey = (image: string, build: string) => `files/${image}/${build}`;

/** What a key names; the parts that its kind does not have are empty. */
export function partsOfKey(key: string): {
  readonly kind: string;
  readonly image: string;
  readonly build: string;
  readonly provider: string;
  readonly upload: string;
} {
  const [kind = "", image = "", build = "", provider = "", upload = ""] = key.split("/");
  return { kind, image, build, provider, upload };
}

/** Whether a provider is being given up: it takes no image any more, and what it has is deleted. */
export function isGivenUp({ pools }: ProviderConfig): boolean {
  return pools.length > 0 && pools.every(({ maxServers }) => maxServers < 0);
}

/** What became of an action: `unneeded` when there was nothing to do after all, `busy` when somebody else is at it. */
export type Outcome = "done" | "unneeded" | "busy";

/** A decision not to act. */
export function waiting(
  subject: { readonly key: string; readonly image: string },
  rule: Rule,
  reason: string,
  next: number | null = null,
): Waiting {
  return { kind: "waiting", key: subject.key, image: subject.image, rule, reason, next };
}

/** The rules that hold for every action: not twice at once, and not before its last failure was waited out. */
export function hindrance(step: { key: string; image: string }, facts: Facts): Waiting | null {
  if (facts.running.has(step.key)) return waiting(step, "running", "it is under way here");
  const setback = facts.setbacks.get(step.key);
  if (setback === undefined || setback.until <= facts.now) return null;
  if (setback.error === null) {
    const reason = `another process is at it; it is looked at again at ${formatTime(setback.until)}`;
    return waiting(step, "locked", reason, setback.until);
  }
  const reason = `the last attempt failed (${setback.error}); the next is at ${formatTime(setback.until)}`;
  return waiting(step, "set-back", reason, setback.until);
}

/**
 * When something becomes ready that has to count as later than others: now, but after them also where they were stamped
 * by a clock that was ahead.
 */
export function timeAfter(now: number, others: readonly ({ readonly stateTime: number } | null)[]): number {
  return Math.max(now, ...others.map((other) => (other?.stateTime ?? 0) + 0.001));
}

/** Builds in state ready, newest first. */
export function readyBuilds(image: ImageEntry | undefined): BuildEntry[] {
  return (image?.builds ?? [])
    .filter((build) => build.record?.state === "ready")
    .sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));
}
