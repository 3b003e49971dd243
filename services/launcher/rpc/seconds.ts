import { invalidArgument } from "../../../lib/rpc/errors.ts";
import type { Duration } from "../../../lib/rpc/gen/google/protobuf/duration.ts";

const LONGEST = 86_400;

/** A lease's duration in seconds; undefined when none was given. @throws INVALID_ARGUMENT */
export function leaseSeconds(duration: Duration | undefined): number | undefined {
  return secondsOf("lease_duration", duration, 1);
}

/** How many seconds to wait; undefined when none were given. @throws INVALID_ARGUMENT */
export function waitSeconds(duration: Duration | undefined): number | undefined {
  return secondsOf("wait_duration", duration, 0);
}

function secondsOf(field: string, duration: Duration | undefined, shortest: number): number | undefined {
  if (duration === undefined) return undefined;
  const seconds = Number(duration.seconds) + duration.nanos / 1e9;
  if (seconds >= shortest && seconds <= LONGEST) return seconds;
  throw invalidArgument(field, `${seconds} s: expected ${shortest} s to ${LONGEST} s`);
}
