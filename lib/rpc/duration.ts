import type { DeepPartial, Duration } from "./gen/google/protobuf/duration.ts";

/** A day: no lease lasts longer, and no launcher waits longer for nodes. In seconds. */
export const LONGEST_SECONDS = 86_400;

/** A duration in seconds; those of bad callers may be negative, or huge. */
export function secondsOf({ seconds = 0n, nanos = 0 }: DeepPartial<Duration>): number {
  return Number(seconds) + nanos / 1e9;
}

/** So many seconds, to the millisecond, as the API has them. */
export function durationOf(seconds: number): Duration {
  const milliseconds = Math.trunc(seconds * 1000);
  return { seconds: BigInt(Math.trunc(milliseconds / 1000)), nanos: (milliseconds % 1000) * 1e6 };
}
