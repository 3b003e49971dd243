// What each provider allows, and what others take of it: asked for at the start, once a minute, and as soon as a
// provider refuses for want of quota.
import { NODES } from "../../../lib/model/paths.ts";
import { METADATA, type Provider } from "../../../lib/provider/contract.ts";
import { withDeadline } from "../../../lib/std/deadline.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import type { Environment } from "../environment.ts";
import { recordedInstances } from "../external_ids.ts";
import { type Amounts, add, amountsOf, NOTHING } from "./quota.ts";

const INTERVAL_MS = 60_000;
const CALL_TIMEOUT_MS = 60_000;

/** Launches wait this long for a provider's first answer; one that hangs must not hold them up for ever. */
const PATIENCE_MS = 10_000;

/** A provider that is asked: ends that, and ends the pause until the next time. */
interface Asked {
  readonly stop: AbortController;
  refresh: AbortController;
}

export class LimitsWatch {
  readonly #environment: Environment;
  readonly #asked = new Map<Provider, Asked>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Asks these providers from now on, and no others. */
  follow(drivers: readonly Provider[]): void {
    for (const [driver, { stop }] of this.#asked) {
      if (drivers.includes(driver)) continue;
      stop.abort();
      this.#asked.delete(driver);
      this.#environment.hand.asking.delete(driver.name);
    }
    for (const driver of drivers) {
      if (this.#asked.has(driver)) continue;
      const asked = { stop: new AbortController(), refresh: new AbortController() };
      this.#asked.set(driver, asked);
      this.#start(driver, asked);
    }
  }

  #start(driver: Provider, asked: Asked): void {
    const { context, hand, tasks, kick } = this.#environment;
    const known = () => {
      if (hand.asking.delete(driver.name)) kick();
    };
    hand.asking.add(driver.name);
    tasks.start(`limits of ${driver.name}`, async (closing) => {
      const signal = AbortSignal.any([closing, asked.stop.signal]);
      const cancel = context.clock.after(PATIENCE_MS, known);
      try {
        await this.#askAgainAndAgain(driver, asked, signal, () => {
          cancel();
          known();
        });
      } finally {
        cancel();
      }
    });
  }

  async #askAgainAndAgain(
    driver: Provider,
    asked: Asked,
    signal: AbortSignal,
    known: () => void,
  ): Promise<void> {
    const { clock } = this.#environment.context;
    while (!signal.aborted) {
      // A wish that comes while it is being asked is for another answer.
      asked.refresh = new AbortController();
      const either = AbortSignal.any([signal, asked.refresh.signal]);
      await this.#ask(driver, signal);
      // By now another driver of the same name may have been asked.
      if (signal.aborted) return;
      known();
      await clock.sleep(INTERVAL_MS, either).catch(() => undefined);
    }
  }

  /** Asks anew at once, or when the question under way has been answered. */
  refresh(provider: string): void {
    for (const [{ name }, { refresh }] of this.#asked) if (name === provider) refresh.abort();
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
}
