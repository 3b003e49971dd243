// Runs many things, a few at a time: node:test on Deno has no concurrency of its own.

/** Begins to run these, so many at a time. Each has its end, which may reject, in the map. */
export function startFewAtOnce<T>(
  count: number,
  items: readonly T[],
  run: (item: T) => Promise<void>,
): ReadonlyMap<T, Promise<void>> {
  const waiting = [...items];
  const ends = new Map(items.map((item) => [item, Promise.withResolvers<void>()]));
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await run(item).then(ends.get(item)?.resolve, ends.get(item)?.reject);
    }
  };
  for (const { promise } of ends.values()) promise.catch(() => {});
  for (let number = 0; number < count; number += 1) void worker();
  return new Map([...ends].map(([item, { promise }]) => [item, promise]));
}
