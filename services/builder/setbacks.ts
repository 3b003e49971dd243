import { type BackoffOptions, backoffDelay } from "../../lib/std/backoff.ts";
import { type Clock, seconds } from "../../lib/std/clock.ts";
import { partsOfKey, type Setback, type Trouble } from "./plan.ts";

/**
 * What has failed and is being waited out: each action by itself, so that none holds up another, and a provider as a
 * whole when it takes no image.
 */
export class Setbacks {
  readonly #entries = new Map<string, Setback>();
  readonly #troubles = new Map<string, Trouble>();
  readonly #clock: Clock;
  readonly #backoff: BackoffOptions;

  constructor(clock: Clock, backoff: BackoffOptions) {
    this.#clock = clock;
    this.#backoff = backoff;
  }

  get entries(): ReadonlyMap<string, Setback> {
    return this.#entries;
  }

  get troubles(): ReadonlyMap<string, Trouble> {
    return this.#troubles;
  }

  /** Notes one more failure of an action; returns when it may be tried again (seconds). */
  fail(key: string, error: string, requestTime: number | null): number {
    const failures = (this.#entries.get(key)?.failures ?? 0) + 1;
    const until = this.#delay(failures);
    this.#entries.set(key, { failures, until, error, requestTime });
    const { kind, image, provider } = partsOfKey(key);
    if (kind === "upload") this.#trouble(provider, image, error);
    return until;
  }

  /** The action has succeeded. */
  clear(key: string): void {
    this.#entries.delete(key);
    const { kind, provider } = partsOfKey(key);
    if (kind === "upload") this.#troubles.delete(provider);
  }

  /** Images and providers were changed: what has failed before says nothing of them any more. */
  forget(images: ReadonlySet<string>, providers: ReadonlySet<string>): void {
    for (const key of this.#entries.keys()) {
      const { image, provider } = partsOfKey(key);
      if (images.has(image) || providers.has(provider)) this.#entries.delete(key);
    }
    for (const provider of providers) this.#troubles.delete(provider);
  }

  #trouble(provider: string, image: string, error: string): void {
    const before = this.#troubles.get(provider);
    const failures = (before?.failures ?? 0) + 1;
    const images = new Set(before?.images).add(image);
    this.#troubles.set(provider, { images, failures, until: this.#delay(failures), error });
  }

  /** When the next attempt may be made, after so many failures. */
  #delay(failures: number): number {
    return seconds(this.#clock) + backoffDelay(failures, this.#backoff) / 1000;
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
