// Which cases of the tests that kill or stop a process at each step are run here.
import process from "node:process";
import { MOMENTS } from "../../services/launcher/checkpoint.ts";

type Moment = (typeof MOMENTS)[number];

const wanted = process.env.NODEPOOL_CRASH_MOMENTS?.split(",");

/** The moments of a step to try: these, or those that NODEPOOL_CRASH_MOMENTS names, as before,sent,after. */
export function momentsOf(...usual: readonly Moment[]): readonly Moment[] {
  return MOMENTS.filter((moment) => (wanted ?? usual).includes(moment));
}

/** For a process that goes on late: what comes after a step is what comes before the next one, or nothing that it could do late. */
export const LATE_MOMENTS = momentsOf("before", "sent");

/**
 * All of them on Node. On Deno two of five, spread over steps and moments: what a process leaves behind does not depend on
 * its runtime, and each case takes seconds of processor time. NODEPOOL_CRASH_MOMENTS tries all there too.
 */
export function casesHere<T>(cases: readonly T[]): readonly T[] {
  if (!("Deno" in globalThis) || wanted !== undefined) return cases;
  return cases.filter((_, index) => index % 5 < 2);
}
