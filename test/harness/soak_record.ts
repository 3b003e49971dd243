// What happened in a soak, and what must not have.

/** So many events are told of a run that failed. */
const EVENTS = 100;

export class SoakRecord {
  /** How often things happened, by name. */
  readonly counts = new Map<string, number>();
  readonly #events: string[] = [];
  readonly #wrongs: string[] = [];
  readonly #since = performance.now();
  #isClosed = false;

  note(event: string): void {
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(2);
    this.#events.push(`${seconds.padStart(8)} ${event}`);
    if (this.#events.length > EVENTS) this.#events.shift();
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Something that must not be. */
  wrong(what: string): void {
    // Whoever still works when the world ends loses everything.
    if (this.#isClosed) return;
    this.note(`WRONG: ${what}`);
    this.#wrongs.push(what);
  }

  /** All that was wrong until now. */
  get wrongs(): readonly string[] {
    return this.#wrongs;
  }

  /** The last events, one a line. */
  get events(): string {
    return this.#events.join("\n");
  }

  /** Nothing that comes now is wrong any more. */
  protected closeRecord(): void {
    this.#isClosed = true;
  }
}
