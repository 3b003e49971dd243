import { LONGEST_SECONDS, secondsOf } from "../../../lib/rpc/duration.ts";
import { invalidArgument } from "../../../lib/rpc/errors.ts";
import type { Duration } from "../../../lib/rpc/gen/google/protobuf/duration.ts";

/** A lease's duration in seconds; undefined when none was given. @throws INVALID_ARGUMENT */
export function leaseSeconds(duration: Duration | undefined): number | undefined {
  return checked("lease_duration", duration, 1);
}

/** How many seconds to wait; undefined when none were given. @throws INVALID_ARGUMENT */
export function waitSeconds(duration: Duration | undefined): number | undefined {
  return checked("wait_duration", duration, 0);
}

function checked(field: string, duration: Duration | undefined, shortest: number): number | undefined {
  if (duration === undefined) return undefined;
  const seconds = secondsOf(duration);
  if (seconds >= shortest && seconds <= LONGEST_SECONDS) return seconds;
  throw invalidArgument(field, `${seconds} s: expected ${shortest} s to ${LONGEST_SECONDS} s`);
}
