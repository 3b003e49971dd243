import { invalidArgument } from "../../../lib/rpc/errors.ts";
import type { Duration } from "../../../lib/rpc/gen/google/protobuf/duration.ts";

const SHORTEST = 1;
const LONGEST = 86_400;

/** A lease's duration in seconds; undefined when none was given. @throws INVALID_ARGUMENT */
export function leaseSeconds(duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const seconds = Number(duration.seconds) + duration.nanos / 1e9;
  if (seconds >= SHORTEST && seconds <= LONGEST) return seconds;
  throw invalidArgument("lease_duration", `${seconds} s: expected ${SHORTEST} s to ${LONGEST} s`);
}
