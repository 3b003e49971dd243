// Looking names up, once for all who want to know.

/**
 * One lookup of a name at a time: who asks meanwhile shares it. The system's resolver cannot be told to give up, and
 * does few at once: while a name server is silent, lookups that nobody waits for would stand before all others.
 */
export class Lookups<Found> {
  readonly #look: (name: string) => Promise<Found>;
  readonly #pending = new Map<string, Promise<Found>>();

  constructor(look: (name: string) => Promise<Found>) {
    this.#look = look;
  }

  /** What is found, or why nothing is. */
  find(name: string): Promise<Found> {
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const begun = this.#look(name).finally(() => this.#pending.delete(name));
    this.#pending.set(name, begun);
    return begun;
  }
}
