/** What is to be looked at when: one time for each key, the earliest first. */
export class Agenda {
  readonly #times = new Map<string, number>();
  /** A binary heap; entries that were replaced stay until they come up. */
  readonly #heap: { readonly at: number; readonly key: string }[] = [];

  /** Sets a key's time, or takes it off with null. */
  set(key: string, at: number | null): void {
    if (at === null || !Number.isFinite(at)) {
      this.#times.delete(key);
      return;
    }
    if (this.#times.get(key) === at) return;
    this.#times.set(key, at);
    this.#push({ at, key });
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
  due(now: number): string[] {
    const keys: string[] = [];
    for (let next = this.next; next !== null && next <= now; next = this.next) {
      const { key } = this.#pop();
      this.#times.delete(key);
      keys.push(key);
    }
    return keys;
  }

  #push(entry: { at: number; key: string }): void {
    const heap = this.#heap;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (this.#at(above) <= entry.at) break;
      this.#swap(place, above);
      place = above;
    }
  }

  #pop(): { at: number; key: string } {
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
