// What the builder shows of itself: why each image is (not) built, what runs, what went wrong.
import type { Phase } from "./history.ts";
import type { Plan, Setback } from "./plan.ts";
import { buildKey } from "./plan.ts";
import type { Setbacks } from "./setbacks.ts";

/** The latest plan with its history, for people and for the API. */
export class Board {
  readonly #setbacks: Setbacks;
  readonly #building: ReadonlyMap<string, readonly Phase[]>;
  readonly #listeners = new Set<(image: string) => void>();
  #reasons = new Map<string, string>();

  constructor(setbacks: Setbacks, building: ReadonlyMap<string, readonly Phase[]>) {
    this.#setbacks = setbacks;
    this.#building = building;
  }

  /** Shows a new plan; tells the listeners which images look different. */
  show(plan: Plan, images: Iterable<string>): void {
    const byKey = new Map([...plan.waiting, ...plan.actions].map(({ key, reason }) => [key, reason]));
    const reasons = new Map<string, string>();
    for (const image of images) reasons.set(image, byKey.get(buildKey(image)) ?? "");
    const before = this.#reasons;
    this.#reasons = reasons;
    for (const [image, reason] of reasons) if (before.get(image) !== reason) this.changed(image);
  }

  /** Tells that something else about an image looks different. */
  changed(image: string): void {
    for (const listener of this.#listeners) listener(image);
  }

  onChange(listener: (image: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Why the image is being built, or why not and when next. */
  reason(image: string): string {
    return this.#reasons.get(image) ?? "";
  }

  /** The errors that are the last word on the image's build and uploads here. */
  errors(image: string): string[] {
    return this.#setbacks.errorsOf(image);
  }

  /** The phases that a build which runs here has come to; undefined when it does not run here. */
  phases(build: string): readonly Phase[] | undefined {
    return this.#building.get(build);
  }

  get setbacks(): ReadonlyMap<string, Setback> {
    return this.#setbacks.entries;
  }
}
