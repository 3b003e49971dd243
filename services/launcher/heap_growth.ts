// How far the heap grows before V8 goes through all of it. By itself V8 lets it grow to several times of what is in use.
// It has a setting for a share of that, and any share is too little for a launcher without nodes, which then spends a
// tenth of its processor time on going through the same 30 MB over and over, or too much for one with thousands of
// nodes. So the share follows the heap (docs/performance.md).
import { PerformanceObserver } from "node:perf_hooks";
import v8 from "node:v8";

/** Of this many bytes the heap's size is the share by which it may grow. */
const ROOM = 70 * 1024 * 1024;
/** Percent of what is in use. With less, a large heap would be collected all the time. */
const LEAST = 50;
const MOST = 200;
/** Percent by which the setting may be off. */
const SLACK = 5;

/**
 * V8's setting for a heap of so many bytes, garbage included, in percent of what will be found in use: about 110 for a
 * launcher without nodes, 55 for one with 10,000.
 */
export function growthPercent(bytes: number): number {
  return Math.round(Math.min(Math.max((100 * ROOM) / bytes, LEAST), MOST));
}

/** Bounds the growth of this process's heap from now on. On Deno, which takes V8's settings only at its start, nothing. */
export function boundHeapGrowth(): void {
  if ("Deno" in globalThis) return;
  let set = Number.POSITIVE_INFINITY;
  const bound = () => {
    const percent = growthPercent(v8.getHeapStatistics().used_heap_size);
    if (Math.abs(percent - set) < SLACK) return;
    set = percent;
    v8.setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  bound();
  // V8 looks at the setting when it has gone through all of the heap: it has to fit the heap by then. So it follows the
  // collections of what is short-lived, which are many.
  new PerformanceObserver(bound).observe({ entryTypes: ["gc"] });
}
