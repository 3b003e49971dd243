// How far the heap grows before V8 goes through all of it. By itself V8 lets it grow to several times of what is in use.
// It has a setting for a share of that, and any share is too little for a launcher without nodes, which then spends a
// tenth of its processor time on going through the same 30 MB over and over, or too much for one with thousands of
// nodes. So the share follows what is in use (docs/performance.md).
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import v8 from "node:v8";

/** So much may be there besides what is in use, in bytes. */
const ROOM = 40 * 1024 * 1024;
/** Percent of what is in use. With less, a large heap would be collected all the time. */
const LEAST = 50;
const MOST = 200;

/** V8's setting for a heap of which so many bytes are in use, in percent of them. */
export function growthPercent(used: number): number {
  return Math.round(Math.min(Math.max((100 * ROOM) / used, LEAST), MOST));
}

/** Bounds the growth of this process's heap from now on. On Deno, which takes V8's settings only at its start, nothing. */
export function boundHeapGrowth(): void {
  const bound = () => {
    const percent = growthPercent(v8.getHeapStatistics().used_heap_size);
    v8.setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  bound();
  if ("Deno" in globalThis) return;
  // Just after V8 has gone through all of the heap, what is there is in use.
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some((entry) => isFull(entry as Collection))) bound();
  });
  observer.observe({ entryTypes: ["gc"] });
}

/** What Node adds to the entry of a collection. */
interface Collection extends PerformanceEntry {
  readonly detail?: { readonly kind?: number };
}

function isFull({ detail }: Collection): boolean {
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
