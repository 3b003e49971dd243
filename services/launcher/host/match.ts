// Gives each wish one thing that will do for it, so that none goes without that need not. Pure.

/**
 * One thing for each wish, in the wishes' order, each thing once; null where there is none. Of those that would do the
 * first is taken, unless another wish needs it.
 *
 * @param choices what would do for a wish, in order of preference
 */
export function matchAll<Wish, Thing>(
  wishes: readonly Wish[],
  choices: (wish: Wish) => Iterable<Thing>,
): (Thing | null)[] {
  const takers = new Map<Thing, number>();
  // Kuhn's method: a thing that is taken is freed when its taker can have another one.
  const give = (index: number, tried: Set<Thing>): boolean => {
    const wish = wishes[index] as Wish;
    for (const thing of choices(wish)) {
      if (takers.has(thing)) continue;
      takers.set(thing, index);
      return true;
    }
    for (const thing of choices(wish)) {
      const taker = takers.get(thing);
      if (taker === undefined || tried.has(thing)) continue;
      tried.add(thing);
      if (!give(taker, tried)) continue;
      takers.set(thing, index);
      return true;
    }
    return false;
  };
  for (const index of wishes.keys()) give(index, new Set());
  const given: (Thing | null)[] = wishes.map(() => null);
  for (const [thing, index] of takers) given[index] = thing;
  return given;
}
