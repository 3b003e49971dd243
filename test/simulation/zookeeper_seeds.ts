// Many simulated runs, some at the same time, since each mostly waits.
import { type RunResult, runSeed } from "./zookeeper_run.ts";

/** What came of all runs. */
export interface SeedsResult {
  /** Runs in which something was wrong. */
  readonly failed: readonly RunResult[];
  readonly struck: ReadonlyMap<string, number>;
  readonly writes: number;
}

/** Runs `count` seeds from `first` on, `atOnce` at a time. */
export async function runSeeds(first: number, count: number, atOnce: number): Promise<SeedsResult> {
  const failed: RunResult[] = [];
  const struck = new Map<string, number>();
  let [next, writes] = [first, 0];
  const work = async () => {
    while (next < first + count) {
      const seed = next;
      next += 1;
      const result = await runSeed(seed);
      writes += result.writes;
      for (const [point, times] of result.struck) struck.set(point, (struck.get(point) ?? 0) + times);
      if (result.faults.length > 0) failed.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
  return { failed, struck, writes };
}
