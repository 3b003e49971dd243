// Stops the cleanup of a provider when too much of it looks wrong at once: an emptied ZooKeeper, a list that lies or a
// wrong configuration would otherwise delete everything. Only what the cleanup concludes from comparing is stopped and
// counted. Nodes that are returned, left by their user, too old, not offered any more or deleted by somebody go as ever:
// that is in their records or was configured, nobody holds them, and kept they would take the room of others.

/** More than this part of a provider's nodes. */
export const BRAKE_PART = 0.4;

/** Fewer than this many things say nothing about a part. */
export const BRAKE_MINIMUM = 5;

/** Things count for this many seconds. */
export const BRAKE_WINDOW = 300;

/** What a brake watches over, and what is wrong with it then. */
const SUBJECTS = {
  nodes: "nodes and instances were lost, leaked or left behind",
  images: "images were in no record",
} as const;
export type BrakeSubject = keyof typeof SUBJECTS;

/** A brake is released for so many seconds: at images is looked every ten minutes. */
const RELEASE: Readonly<Record<BrakeSubject, number>> = { nodes: BRAKE_WINDOW, images: 1500 };

/** What the decision is made from. */
export interface BrakeState {
  /** @default nodes */
  readonly subject?: BrakeSubject;
  /** How many things have looked wrong, or were deleted for it, within {@link BRAKE_WINDOW}. */
  readonly suspects: number;
  /** Everything at the provider or recorded as being there. */
  readonly total: number;
  /** Until when (seconds) somebody has released the brake. */
  readonly releasedUntil: number;
  readonly now: number;
}

/** Whether the cleanup may delete, and why not. */
export interface BrakeDecision {
  readonly on: boolean;
  /** With the numbers; empty when there is nothing to say. */
  readonly reason: string;
}

/** Decides. Pure. */
export function decideBrake({
  subject = "nodes",
  suspects,
  total,
  releasedUntil,
  now,
}: BrakeState): BrakeDecision {
  // What was deleted already is not among what is there now, but it was.
  const all = Math.max(total, suspects);
  if (suspects < BRAKE_MINIMUM || suspects <= all * BRAKE_PART) return { on: false, reason: "" };
  const percent = Math.round((suspects / all) * 100);
  const numbers = `${suspects} of ${all} (${percent} %, the limit is ${BRAKE_PART * 100} %)`;
  const what = `${SUBJECTS[subject]} within ${BRAKE_WINDOW / 60} minutes: ${numbers}`;
  // A release that would last longer comes of a clock that was set back.
  if (now < releasedUntil && releasedUntil <= now + RELEASE[subject]) {
    const left = Math.ceil(releasedUntil - now);
    return { on: false, reason: `${what}; the brake is released for another ${left} s` };
  }
  return {
    on: true,
    reason: `automatic deletion is stopped: ${what}; look why, then release it (nodepool brake-release)`,
  };
}

/** One brake of a provider. Times are seconds. */
export class Brake {
  readonly #subject: BrakeSubject;
  /** When (seconds) each thing last looked wrong: until it is forgotten, also when it was deleted meanwhile. */
  readonly #suspects = new Map<string, number>();
  #releasedUntil = 0;
  #lookedAt = 0;
  #decision: BrakeDecision = { on: false, reason: "" };

  constructor(subject: BrakeSubject = "nodes") {
    this.#subject = subject;
  }

  get decision(): BrakeDecision {
    return this.#decision;
  }

  /** Takes in what one pass has found wrong. */
  note(keys: Iterable<string>, total: number, now: number): BrakeDecision {
    for (const [key, time] of this.#suspects) {
      // What is later than now was found by a clock that was set back since.
      if (time > now || now - time >= BRAKE_WINDOW) this.#suspects.delete(key);
    }
    for (const key of keys) this.#suspects.set(key, now);
    this.#lookedAt = now;
    this.#decision = decideBrake({
      subject: this.#subject,
      suspects: this.#suspects.size,
      total,
      releasedUntil: this.#releasedUntil,
      now,
    });
    return this.#decision;
  }

  /** When (seconds) the last look at the provider found this wrong; null when it did not. */
  suspectedAt(key: string): number | null {
    return this.#suspects.get(key) === this.#lookedAt ? this.#lookedAt : null;
  }

  /** Lets the cleanup go on for a while, whatever it finds. */
  release(now: number): void {
    this.#releasedUntil = now + RELEASE[this.#subject];
    this.#decision = { on: false, reason: "released; the next look at the provider goes on" };
  }
}

/** The brakes of all providers. */
export class Brakes {
  readonly #brakes = new Map<string, Readonly<Record<BrakeSubject, Brake>>>();
  readonly #released = new Set<() => void>();
  readonly #onError: (error: unknown, provider: string) => void;

  /** @param onError hears what a listener throws; the others are called all the same */
  constructor(onError: (error: unknown, provider: string) => void) {
    this.#onError = onError;
  }

  of(provider: string, subject: BrakeSubject): Brake {
    return this.#both(provider)[subject];
  }

  /** Whether any brake of a provider is on, and why. */
  decision(provider: string): BrakeDecision {
    const on = Object.values(this.#both(provider)).flatMap(({ decision }) => (decision.on ? [decision] : []));
    return { on: on.length > 0, reason: on.map(({ reason }) => reason).join("; ") };
  }

  release(provider: string, now: number): void {
    for (const brake of Object.values(this.#both(provider))) brake.release(now);
    for (const listener of this.#released) {
      try {
        listener();
      } catch (error) {
        this.#onError(error, provider);
      }
    }
  }

  #both(provider: string): Readonly<Record<BrakeSubject, Brake>> {
    const known = this.#brakes.get(provider);
    const both = known ?? { nodes: new Brake("nodes"), images: new Brake("images") };
    this.#brakes.set(provider, both);
    return both;
  }

  /** Forgets the brakes of all other providers. */
  keepOnly(providers: ReadonlySet<string>): void {
    for (const name of this.#brakes.keys()) if (!providers.has(name)) this.#brakes.delete(name);
  }

  /** Hears when a brake is released. */
  onRelease(listener: () => void): () => void {
    this.#released.add(listener);
    return () => this.#released.delete(listener);
  }
}
