import { type BackoffOptions, backoffDelay } from "../../lib/std/backoff.ts";
import { type Clock, elapsed, seconds } from "../../lib/std/clock.ts";
import { type BuilderConfig, partsOfKey, type Setback, type Trouble } from "./plan.ts";

/** How far a clock must have been set to be followed, in seconds: less is the inaccuracy of both clocks. */
const LEAST_JUMP = 1;

/**
 * What has failed and is being waited out: each action by itself, so that none holds up another, and a provider as a
 * whole when it takes no image. A clock that is set meanwhile makes no wait longer or shorter.
 */
export class Setbacks {
  readonly #entries = new Map<string, Setback>();
  readonly #troubles = new Map<string, Trouble>();
  readonly #clock: Clock;
  readonly #backoff: BackoffOptions;
  /** What the clock said when the one that nobody sets began, in seconds. */
  #epoch: number;

  constructor(clock: Clock, backoff: BackoffOptions) {
    this.#clock = clock;
    this.#backoff = backoff;
    this.#epoch = this.#readEpoch();
  }

  get entries(): ReadonlyMap<string, Setback> {
    this.#followClock();
    return this.#entries;
  }

  get troubles(): ReadonlyMap<string, Trouble> {
    this.#followClock();
    return this.#troubles;
  }

  /** Notes one more failure of an action; returns when it may be tried again (seconds). */
  fail(key: string, error: string, requestTime: number | null): number {
    this.#followClock();
    const failures = (this.#entries.get(key)?.failures ?? 0) + 1;
    const until = this.#delay(failures);
    this.#entries.set(key, { failures, until, error, requestTime });
    const { kind, image, provider } = partsOfKey(key);
    if (kind === "upload") this.#trouble(provider, image, error);
    return until;
  }

  /** Somebody else is at it: no failure, but it may have to be done here all the same, and is tried at even intervals. */
  wait(key: string): void {
    this.#followClock();
    const before = this.#entries.get(key);
    const until = seconds(this.#clock) + this.#backoff.initial / 1000;
    this.#entries.set(key, { failures: 0, error: null, requestTime: null, ...before, until });
  }

  /** The action has succeeded. */
  clear(key: string): void {
    this.#entries.delete(key);
    const { kind, provider } = partsOfKey(key);
    if (kind === "upload") this.#troubles.delete(provider);
  }

  /** Images and providers were changed: what has failed before says nothing of them any more. */
  forget(images: ReadonlySet<string>, providers: ReadonlySet<string>): void {
    for (const key of this.#entries.keys()) if (isAbout(key, images, providers)) this.#entries.delete(key);
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

  #readEpoch(): number {
    return seconds(this.#clock) - elapsed(this.#clock) / 1000;
  }

  /** Moves what is waited for with the clock, if that was set. */
  #followClock(): void {
    const jump = this.#readEpoch() - this.#epoch;
    if (Math.abs(jump) < LEAST_JUMP) return;
    this.#epoch += jump;
    for (const [key, each] of this.#entries) this.#entries.set(key, { ...each, until: each.until + jump });
    for (const [key, each] of this.#troubles) this.#troubles.set(key, { ...each, until: each.until + jump });
  }

  /** Drops what concerns nothing that exists any more. */
  retain(wanted: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (!wanted(key)) this.#entries.delete(key);
  }

  /** The errors of an image's build, uploads and deletions that are still the last word on them. */
  errorsOf(image: string): string[] {
    return Array.from(this.#entries).flatMap(([key, { error }]) => {
      const { kind, image: subject, build, provider } = partsOfKey(key);
      if (subject !== image || error === null) return [];
      if (kind === "build") return [error];
      if (kind === "upload") return [uploadError(provider, error)];
      if (kind === "delete-upload") return [`deletion at ${provider}: ${error}`];
      return [`deletion of build ${build}: ${error}`];
    });
  }
}

/** Whether an action, by its key, is about one of these images or at one of these providers. */
export function isAbout(key: string, images: ReadonlySet<string>, providers: ReadonlySet<string>): boolean {
  const { image, provider } = partsOfKey(key);
  return images.has(image) || providers.has(provider);
}

/** Images that are configured otherwise than before. */
export function changedImages(before: BuilderConfig, after: BuilderConfig): Set<string> {
  const images = [...after.diskimages.values()];
  const changed = images.filter(
    (image) => JSON.stringify(before.diskimages.get(image.name)) !== JSON.stringify(image),
  );
  return new Set(changed.map(({ name }) => name));
}

/** An upload's error, as people are told of it. */
export const uploadError = (provider: string, error: string) => `upload to ${provider}: ${error}`;

/** An error as it is kept in ZooKeeper, where documents are small. */
export const shortError = (error: string) => error.slice(0, 1000);
