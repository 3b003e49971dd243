// Which cases of the tests that kill or stop a process at each step are run here.
import process from "node:process";

/** Of a step, for a process that goes on late: what comes after it is what comes before the next one, or nothing that it could do late. */
export const LATE_MOMENTS = ["before", "sent"] as const;

/**
 * All of them on Node. On Deno two of five, spread over steps and moments: what a process leaves behind does not depend on
 * its runtime, and each case takes seconds of processor time. NODEPOOL_CRASH_MOMENTS tries all there too.
 */
export function casesHere<T>(cases: readonly T[]): readonly T[] {
  if (!("Deno" in globalThis) || process.env.NODEPOOL_CRASH_MOMENTS !== undefined) return cases;
  return cases.filter((_, index) => index % 5 < 2);
}
