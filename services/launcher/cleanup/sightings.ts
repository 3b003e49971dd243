// What has looked wrong, and since when.

/** Remembers what looked wrong: only what does so in two passes in a row, a grace time apart, is acted upon. */
export class Sightings {
  readonly #seen = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #grace: number;

  /** @param grace seconds between the first sighting and the act */
  constructor(grace: number) {
    this.#grace = grace;
  }

  /** Notes a sighting; whether it is old enough to act upon. */
  confirm(key: string, now: number): boolean {
    const seen = this.#seen.get(key);
    // What was seen in the future was seen before the clock was set back.
    const first = seen === undefined || seen > now ? now : seen;
    this.#next.set(key, first);
    return seen !== undefined && now - first >= this.#grace;
  }

  /** Forgets what was seen at all other providers. */
  keepOnly(providers: ReadonlySet<string>): void {
    const prefixes = [...providers].map((provider) => `${provider}/`);
    for (const key of this.#seen.keys()) {
      if (!prefixes.some((prefix) => key.startsWith(prefix))) this.#seen.delete(key);
    }
  }

  /** Ends a pass over one provider: what was not seen in it is forgotten. */
  endPass(provider: string): void {
    const isOf = (key: string) => key.startsWith(`${provider}/`);
    for (const key of this.#seen.keys()) if (isOf(key)) this.#seen.delete(key);
    for (const [key, first] of this.#next) {
      if (!isOf(key)) continue;
      this.#seen.set(key, first);
      this.#next.delete(key);
    }
  }
}
