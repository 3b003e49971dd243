// Who wants to hear of requests. They are told once of all that has happened until a pass, and with what it has found.

export class RequestWatchers {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #news = new Set<string>();

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Calls the listener when there is news of a request; returns what ends that. */
  add(request: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(request) ?? new Set();
    this.#listeners.set(request, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(request) === listeners) this.#listeners.delete(request);
    };
  }

  /** There is news of a request, to be told soon. */
  note(request: string): void {
    if (this.#listeners.has(request)) this.#news.add(request);
  }

  /** Tells the news. */
  tell(): void {
    const news = [...this.#news];
    this.#news.clear();
    for (const request of news) for (const listener of this.#listeners.get(request) ?? []) listener();
  }
}
