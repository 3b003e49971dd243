// Who wants to hear of requests, or of nodes. They are told once of all that has happened until a pass, and with what it
// has found.

export class Watchers {
  readonly #onError: (error: unknown, id: string) => void;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #news = new Set<string>();

  /** @param onError hears what a listener throws, and to which id it has listened; the others are called all the same */
  constructor(onError: (error: unknown, id: string) => void) {
    this.#onError = onError;
  }

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Calls the listener when there is news of the one with this id; returns what ends that. */
  add(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id);
    };
  }

  /** There is news of it, to be told soon. */
  note(id: string): void {
    if (this.#listeners.has(id)) this.#news.add(id);
  }

  /** Tells the news. */
  tell(): void {
    if (this.#news.size === 0) return;
    const news = [...this.#news];
    this.#news.clear();
    for (const id of news) for (const listener of this.#listeners.get(id) ?? []) this.#call(listener, id);
  }

  #call(listener: () => void, id: string): void {
    try {
      listener();
    } catch (error) {
      this.#onError(error, id);
    }
  }
}
