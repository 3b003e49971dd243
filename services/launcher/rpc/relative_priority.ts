import { invalidArgument } from "../../../lib/rpc/errors.ts";

/** Beyond this they would not sort as texts. */
const LARGEST = 2 ** 49;

/** A request's relative priority as a number. @throws INVALID_ARGUMENT */
export function relativePriority(value: bigint): number {
  const number = Number(value);
  if (Math.abs(number) <= LARGEST) return number;
  throw invalidArgument("request.relative_priority", `${value}: expected -2^49 to 2^49`);
}
