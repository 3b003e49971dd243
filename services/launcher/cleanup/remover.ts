// What a look at a provider has found is acted upon only when the next one, a grace time later, finds it again, and
// unless the brake is on.
import type { Provider } from "../../../lib/provider/contract.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { type Environment, nowOf } from "../environment.ts";
import type { BrakeSubject } from "./brake.ts";
import { Sightings } from "./sightings.ts";

/** One thing that looks wrong, and what is done about it. */
export interface Finding {
  /** Begins with the provider's name and a slash. */
  readonly key: string;
  readonly remove: (signal: AbortSignal) => Promise<void>;
}

export class Remover {
  readonly #environment: Environment;
  readonly #subject: BrakeSubject;
  readonly #sightings: Sightings;
  /** What is being removed: one thing that takes long, or hangs, must not hold up the others, nor the next look. */
  readonly #underWay = new Set<string>();

  /** @param graceMs how long a thing must have looked wrong, in milliseconds */
  constructor(environment: Environment, subject: BrakeSubject, graceMs: number) {
    this.#environment = environment;
    this.#subject = subject;
    this.#sightings = new Sightings(graceMs / 1000);
  }

  /**
   * Begins to act upon all that one look at a provider has found; what cannot be removed is logged and found again.
   *
   * @param total how many things the provider has, or is recorded as having
   */
  act(provider: string, findings: readonly Finding[], total: number): void {
    const now = nowOf(this.#environment);
    const mayRemove = this.#applyBrake(provider, findings, total, now);
    for (const finding of findings) {
      const isConfirmed = this.#sightings.confirm(finding.key, now);
      if (isConfirmed && mayRemove && !this.#underWay.has(finding.key)) this.#begin(provider, finding);
    }
    this.#sightings.endPass(provider);
  }

  #begin(provider: string, { key, remove }: Finding): void {
    this.#underWay.add(key);
    this.#environment.tasks.start(`removal of ${key}`, async (signal) => {
      try {
        await remove(signal);
      } catch (error) {
        if (!signal.aborted) this.#report(provider, key, error);
      } finally {
        this.#underWay.delete(key);
      }
    });
  }

  /** Forgets what was found at all other providers: what they show when they come back is new. */
  keepOnly(providers: readonly Provider[]): void {
    this.#sightings.keepOnly(new Set(providers.map(({ name }) => name)));
  }

  #applyBrake(provider: string, findings: readonly Finding[], total: number, now: number): boolean {
    const { context, brakes, metrics } = this.#environment;
    const brake = brakes.of(provider, this.#subject);
    const before = brake.decision;
    const suspects = findings.map(({ key }) => key);
    const decision = brake.note(suspects, total, now);
    metrics.brake(provider, brakes.decision(provider).on);
    const fields = { provider, reason: decision.reason };
    if (decision.on && !before.on) context.logger.error("the brake is on", fields);
    else if (before.on && !decision.on) context.logger.warn("the brake is off", fields);
    return !decision.on;
  }

  #report(provider: string, thing: string, error: unknown): void {
    const fields = { provider, thing, error: messageOf(error) };
    this.#environment.context.logger.warn("not removed, will be tried again", fields);
  }
}
