// What each provider allows, and what others take of it: asked for at the start, once a minute, and as soon as a
// provider refuses for want of quota.
import { NODES } from "../../../lib/model/paths.ts";
import { METADATA, type Provider } from "../../../lib/provider/contract.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { recordedInstances } from "../cleanup_compare.ts";
import type { Environment } from "../environment.ts";
import { withDeadline } from "../node/deadline.ts";
import { type Amounts, add, amountsOf, NOTHING } from "./quota.ts";

const INTERVAL_MS = 60_000;
const CALL_TIMEOUT_MS = 60_000;

/** Launches wait this long for a provider's first answer; one that hangs must not hold them up for ever. */
const PATIENCE_MS = 10_000;

export class LimitsWatch {
  readonly #environment: Environment;
  readonly #sleepers = new Map<string, AbortController>();
  readonly #asked = new Map<Provider, AbortController>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Asks these providers from now on, and no others. */
  follow(drivers: readonly Provider[]): void {
    for (const [driver, stop] of this.#asked) {
      if (drivers.includes(driver)) continue;
      stop.abort();
      this.#asked.delete(driver);
      this.#environment.hand.asking.delete(driver.name);
    }
    for (const driver of drivers) {
      if (this.#asked.has(driver)) continue;
      const stop = new AbortController();
      this.#asked.set(driver, stop);
      this.#start(driver, stop.signal);
    }
  }

  #start(driver: Provider, stop: AbortSignal): void {
    const { context, hand, tasks, kick } = this.#environment;
    const known = () => {
      if (hand.asking.delete(driver.name)) kick();
    };
    hand.asking.add(driver.name);
    tasks.start(`limits of ${driver.name}`, async (closing) => {
      const cancel = context.clock.after(PATIENCE_MS, known);
      const signal = AbortSignal.any([closing, stop]);
      while (!signal.aborted) {
        await this.#ask(driver, signal);
        cancel();
        // By now another driver of the same name may have been asked.
        if (signal.aborted) return;
        known();
        await this.#sleep(driver.name, signal);
      }
    });
  }

  /** Asks anew at once. */
  refresh(provider: string): void {
    this.#sleepers.get(provider)?.abort();
  }

  async #ask(driver: Provider, signal: AbortSignal): Promise<void> {
    const { context, hand, kick } = this.#environment;
    const { clock, logger } = context;
    try {
      const late = `no answer in ${CALL_TIMEOUT_MS / 1000} s`;
      const limits = await withDeadline(clock, CALL_TIMEOUT_MS, late, [signal], (inner) =>
        driver.limits(inner),
      );
      hand.limits.set(driver.name, limits);
      if (Object.values(limits).some((limit) => Number.isFinite(limit))) {
        const foreign = await withDeadline(clock, CALL_TIMEOUT_MS, late, [signal], (inner) =>
          this.#foreignUse(driver, inner),
        );
        hand.foreign.set(driver.name, foreign);
      }
      kick();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn("the provider's limits are not known; the last known ones count", {
        provider: driver.name,
        error: messageOf(error),
      });
    }
  }

  /** Instances that are not ours, and those of ours whose node nobody knows or can read: no other count has them. */
  async #foreignUse(driver: Provider, signal: AbortSignal): Promise<Amounts> {
    const { context } = this.#environment;
    const { view } = context;
    await view.ready(signal);
    // An instance whose node goes while the provider is asked was counted until then, and goes too.
    const counted = new Set<string>();
    const note = (id: string) => {
      if (view.node(id)?.record) counted.add(id);
    };
    for (const { id } of view.nodes()) note(id);
    const stop = view.subscribe(({ kind, id }) => {
      if (kind === "node") note(id);
    });
    try {
      const own = await driver.listInstances(signal);
      await catchUp(context, NODES);
      const uncounted = own.filter(({ metadata }) => !counted.has(metadata[METADATA.node] ?? ""));
      const foreign = (await driver.foreignInstances?.(signal)) ?? [];
      const recorded = recordedInstances(view, driver.name);
      const others = foreign.filter(({ externalId }) => !recorded.has(externalId));
      return [...uncounted, ...others].map(({ resources }) => amountsOf(resources)).reduce(add, NOTHING);
    } finally {
      stop();
    }
  }

  async #sleep(provider: string, signal: AbortSignal): Promise<void> {
    const sleeper = new AbortController();
    this.#sleepers.set(provider, sleeper);
    const { clock } = this.#environment.context;
    const either = AbortSignal.any([signal, sleeper.signal]);
    await clock.sleep(INTERVAL_MS, either).catch(() => undefined);
  }
}
