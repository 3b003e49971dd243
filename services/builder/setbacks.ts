import { type BackoffOptions, backoffDelay } from "../../lib/std/backoff.ts";
import { type Clock, seconds } from "../../lib/std/clock.ts";
import { partsOfKey, type Setback } from "./plan.ts";

/** What has failed and is being waited out: each action by itself, so that none holds up another. */
export class Setbacks {
  readonly #entries = new Map<string, Setback>();
  readonly #clock: Clock;
  readonly #backoff: BackoffOptions;

  constructor(clock: Clock, backoff: BackoffOptions) {
    this.#clock = clock;
    this.#backoff = backoff;
  }

  get entries(): ReadonlyMap<string, Setback> {
    return this.#entries;
  }

  /** Notes one more failure of an action; returns when it may be tried again (seconds). */
  fail(key: string, error: string, requestTime: number | null): number {
    const failures = (this.#entries.get(key)?.failures ?? 0) + 1;
    const until = seconds(this.#clock) + backoffDelay(failures, this.#backoff) / 1000;
    this.#entries.set(key, { failures, until, error, requestTime });
    return until;
  }

  /** The action has succeeded. */
  clear(key: string): void {
    this.#entries.delete(key);
  }

  /** Drops what concerns nothing that exists any more. */
  retain(wanted: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (!wanted(key)) this.#entries.delete(key);
  }

  /** The errors of an image's build, uploads and deletions that are still the last word on them. */
  errorsOf(image: string): string[] {
    return Array.from(this.#entries).flatMap(([key, { error }]) => {
      const { kind, image: subject, build, provider } = partsOfKey(key);
      if (subject !== image) return [];
      if (kind === "build") return [error];
      if (kind === "upload") return [uploadError(provider, error)];
      if (kind === "delete-upload") return [`deletion at ${provider}: ${error}`];
      return [`deletion of build ${build}: ${error}`];
    });
  }
}

/** An upload's error, as people are told of it. */
export const uploadError = (provider: string, error: string) => `upload to ${provider}: ${error}`;

/** An error as it is kept in ZooKeeper, where documents are small. */
export const shortError = (error: string) => error.slice(0, 1000);
