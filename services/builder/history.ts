// What became of an image's builds: a document of ours beside Nodepool's, written under the image's build lock in the
// same transactions as the build's record. It outlives records and builders; any builder can show it.
import { Buffer } from "node:buffer";
import { imageHistoryPath } from "../../lib/model/paths.ts";
import type { Operation, Session } from "../../lib/zookeeper/types.ts";
import { readZnode } from "./locked_write.ts";

/** A part of a build, as its command announced it; times are seconds since the epoch. */
export interface Phase {
  readonly name: string;
  readonly startedAt: number;
}

/** One build, also one that is gone. Times are seconds since the epoch, sizes bytes on disk. */
export interface Attempt {
  readonly build: string;
  readonly builder: string;
  /** Why it was begun. */
  readonly reason: string;
  readonly formats: readonly string[];
  readonly startedAt: number;
  /** Null while it runs, and for ever when its builder went away. */
  readonly endedAt: number | null;
  readonly result: "building" | "ready" | "failed";
  readonly error: string | null;
  readonly exitCode: number | null;
  readonly sizes: Readonly<Record<string, number>>;
  readonly phases: readonly Phase[];
}

/** An image's attempts, the oldest first. */
export interface History {
  readonly exists: boolean;
  readonly attempts: readonly Attempt[];
}

const MOST = 100;
/** ZooKeeper takes 1 MB in one transaction, and the build's record and the request are in it too. */
const MOST_BYTES = 500_000;
const LONGEST_ERROR = 1000;
const MOST_PHASES = 50;

/**
 * The attempts with this one, which takes the place of an earlier word on the same build.
 *
 * @param keep how long an attempt is kept after it was begun, in seconds; the newest that is ready stays in any case
 */
export function withAttempt(
  attempts: readonly Attempt[],
  attempt: Attempt,
  now: number,
  keep: number,
): readonly Attempt[] {
  const shortened = {
    ...attempt,
    error: attempt.error?.slice(0, LONGEST_ERROR) ?? null,
    phases: latestPhases(attempt.phases),
  };
  const all = [...attempts.filter(({ build }) => build !== attempt.build), shortened];
  const newestReady = lastReady(all);
  const recent = new Set(fitting(all.filter(({ startedAt }) => startedAt > now - keep)));
  return all.filter((each) => recent.has(each) || each === newestReady);
}

/** The newest attempts, as many as one document holds. */
function fitting(attempts: readonly Attempt[]): readonly Attempt[] {
  let bytes = 0;
  const newest = attempts.slice(-MOST);
  const last = newest.findLastIndex((each) => {
    bytes += Buffer.byteLength(JSON.stringify(each));
    return bytes > MOST_BYTES;
  });
  return newest.slice(last + 1);
}

/** As many phases as are kept of a build: the latest, which tell where it stands or where it failed. */
export function latestPhases(phases: readonly Phase[]): readonly Phase[] {
  return phases.slice(-MOST_PHASES);
}

/** The newest attempt that made an image. */
export function lastReady(attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.findLast(({ result }) => result === "ready");
}

export async function readHistory(session: Session, image: string): Promise<History> {
  const found = await readZnode(session, imageHistoryPath(image));
  return found === null
    ? { exists: false, attempts: [] }
    : { exists: true, attempts: decodeHistory(found.data) };
}

/** Writes the history; the image's build lock must be held, and checked in the same transaction. */
export function writeHistory(image: string, { exists }: History, attempts: readonly Attempt[]): Operation {
  const path = imageHistoryPath(image);
  const data = new TextEncoder().encode(JSON.stringify({ builds: attempts }));
  return exists
    ? { kind: "set", path, data, version: -1 }
    : { kind: "create", path, data, mode: "persistent" };
}

/** What cannot be understood is left out: a history is worth no failed build. */
function decodeHistory(data: Uint8Array): Attempt[] {
  try {
    const { builds } = JSON.parse(new TextDecoder().decode(data)) as { builds?: unknown };
    return Array.isArray(builds) ? builds.flatMap(decodeAttempt) : [];
  } catch {
    return [];
  }
}

function decodeAttempt(value: unknown): Attempt[] {
  const given = (value ?? {}) as Record<string, unknown>;
  const { build, startedAt, result } = given;
  if (typeof build !== "string" || typeof startedAt !== "number") return [];
  if (result !== "building" && result !== "ready" && result !== "failed") return [];
  const text = (name: string) => (typeof given[name] === "string" ? given[name] : null);
  const number = (name: string) => (typeof given[name] === "number" ? given[name] : null);
  const list = (name: string): unknown[] => (Array.isArray(given[name]) ? given[name] : []);
  const sizes = Object.entries((given.sizes ?? {}) as Record<string, unknown>);
  return [
    {
      build,
      builder: text("builder") ?? "",
      reason: text("reason") ?? "",
      formats: list("formats").filter((format) => typeof format === "string"),
      startedAt,
      endedAt: number("endedAt"),
      result,
      error: text("error"),
      exitCode: number("exitCode"),
      sizes: Object.fromEntries(
        sizes.filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1])),
      ),
      phases: list("phases").filter(isPhase),
    },
  ];
}

function isPhase(value: unknown): value is Phase {
  const { name, startedAt } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" && typeof startedAt === "number";
}
