/** A list that is always in order. Adding and removing find their place by halving; equal items stay in order. */
export class SortedList<T> {
  readonly #compare: (left: T, right: T) => number;
  readonly #items: T[] = [];

  constructor(compare: (left: T, right: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The items in their order; they must not be changed. */
  get items(): readonly T[] {
    return this.#items;
  }

  add(item: T): void {
    this.#items.splice(this.countBefore(item, true), 0, item);
  }

  /** Removes an item that compares as equal to this one; false when there is none. */
  remove(item: T): boolean {
    const place = this.countBefore(item);
    const found = this.#items[place];
    if (found === undefined || this.#compare(found, item) !== 0) return false;
    this.#items.splice(place, 1);
    return true;
  }

  /** How many items come before this one; with `equal`, those that compare as equal count too. */
  countBefore(item: T, equal = false): number {
    let [low, high] = [0, this.#items.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(this.#items[middle] as T, item);
      if (order < 0 || (equal && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
