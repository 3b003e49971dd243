// What the builder shows of itself: why each image is (not) built, what runs, what went wrong.
import type { Phase } from "./history.ts";
import { buildKey, type Decision, type Plan, partsOfKey, type Rule, type Setback } from "./plan.ts";
import type { Setbacks } from "./setbacks.ts";

/** What is to become of an image. */
export interface Outlook {
  /** Why it is being built, or why not and when next. */
  readonly reason: string;
  /** When its build is due, or tried again, in seconds since the epoch; null when that is not a matter of time. */
  readonly next: number | null;
  /** By provider that is to have the newest build and has it not: why not. */
  readonly missing: ReadonlyMap<string, string>;
}

/** What keeps an image from a provider that is not to have another one. */
const AT_REST: ReadonlySet<Rule> = new Set(["uploaded", "no-build", "given-up"]);

/** The latest plan with its history, for people and for the API. */
export class Board {
  readonly #setbacks: Setbacks;
  readonly #building: ReadonlyMap<string, readonly Phase[]>;
  readonly #listeners = new Set<(image: string) => void>();
  #decisions = new Map<string, readonly Decision[]>();
  #shown = new Map<string, string>();

  constructor(setbacks: Setbacks, building: ReadonlyMap<string, readonly Phase[]>) {
    this.#setbacks = setbacks;
    this.#building = building;
  }

  /** Shows a new plan; tells the listeners which images look different. */
  show(plan: Plan, images: Iterable<string>): void {
    this.#decisions = Map.groupBy([...plan.actions, ...plan.waiting], ({ image }) => image);
    const before = this.#shown;
    this.#shown = new Map();
    for (const image of images) {
      const { reason, next, missing } = this.outlook(image);
      const shown = JSON.stringify([reason, next, [...missing]]);
      this.#shown.set(image, shown);
      if (before.get(image) !== shown) this.changed(image);
    }
  }

  /** All that was decided on an image. */
  decisions(image: string): readonly Decision[] {
    return this.#decisions.get(image) ?? [];
  }

  /** Tells that something else about an image looks different. */
  changed(image: string): void {
    for (const listener of this.#listeners) listener(image);
  }

  onChange(listener: (image: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is to become of an image. */
  outlook(image: string): Outlook {
    const decisions = this.decisions(image);
    const build = decisions.find(({ key }) => key === buildKey(image));
    const missing = new Map<string, string>();
    for (const decision of decisions) {
      const { kind, provider } = partsOfKey(decision.key);
      const rule = decision.kind === "waiting" ? decision.rule : null;
      if (kind !== "upload" || (rule !== null && AT_REST.has(rule))) continue;
      missing.set(provider, decision.reason);
    }
    return {
      reason: build?.reason ?? "",
      next: build?.kind === "waiting" ? build.next : null,
      missing,
    };
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
