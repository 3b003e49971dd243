/** So many entries may be kept besides: below that nothing is worth the work. */
const SPARE = 16;

/** What is to be looked at when: one time for each key, the earliest first. */
export class Agenda<Key = string> {
  readonly #times = new Map<Key, number>();
  /** A binary heap; entries that were replaced stay until they come up, or are too many. */
  #heap: { readonly at: number; readonly key: Key }[] = [];

  /** How many entries are kept: at most {@link SPARE} more than two for each key after a time was set. */
  get kept(): number {
    return this.#heap.length;
  }

  /** How many keys have a time. */
  get size(): number {
    return this.#times.size;
  }

  /** Sets a key's time, or takes it off with null. */
  set(key: Key, at: number | null): void {
    if (at === null || !Number.isFinite(at)) {
      this.#times.delete(key);
    } else if (this.#times.get(key) !== at) {
      this.#times.set(key, at);
      this.#push({ at, key });
    }
    if (this.#heap.length > 2 * this.#times.size + SPARE) this.#rebuild();
  }

  /** The earliest time; null when there is none. */
  get next(): number | null {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#times.get(first.key) === first.at) return first.at;
      this.#pop();
    }
    return null;
  }

  /** Takes every key off whose time has come. */
  due(now: number): Key[] {
    const keys: Key[] = [];
    for (let key = this.take(now); key !== undefined; key = this.take(now)) keys.push(key);
    return keys;
  }

  /** Takes the key off whose time came first; undefined when none has come. */
  take(now: number): Key | undefined {
    const { next } = this;
    if (next === null || next > now) return undefined;
    const { key } = this.#pop();
    this.#times.delete(key);
    return key;
  }

  /** Lets go of the entries that were replaced. It takes about as many changes until the next time as there are keys. */
  #rebuild(): void {
    // What is in order is a heap.
    this.#heap = Array.from(this.#times, ([key, at]) => ({ at, key })).sort((a, b) => a.at - b.at);
  }

  #push(entry: { at: number; key: Key }): void {
    const heap = this.#heap;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (this.#at(above) <= entry.at) break;
      this.#swap(place, above);
      place = above;
    }
  }

  #pop(): { at: number; key: Key } {
    const heap = this.#heap;
    const [first, last] = [heap[0], heap.pop()];
    if (first === undefined || last === undefined) throw new Error("the agenda is empty");
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let place = 0; ; ) {
      const left = 2 * place + 1;
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(least) >= this.#at(place)) return first;
      this.#swap(place, least);
      place = least;
    }
  }

  #at(place: number): number {
    return this.#heap[place]?.at ?? Infinity;
  }

  #swap(left: number, right: number): void {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    if (one === undefined || other === undefined) return;
    this.#heap[left] = other;
    this.#heap[right] = one;
  }
}
