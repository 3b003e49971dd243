// Which launcher keeps the hosts of a provider: the one that holds the provider's lock. It alone records slots that
// have no record, so that no slot is recorded twice; the others stand in line.
import { HOSTS, hostsLockPath } from "../../../lib/model/paths.ts";
import type { Provider } from "../../../lib/provider/contract.ts";
import { backoffDelay } from "../../../lib/std/backoff.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { type HeldLock, isConflict } from "../../../lib/zookeeper/types.ts";
import { isOutage } from "../action_failure.ts";
import type { Environment } from "../environment.ts";

/** Standing in line is renewed after so many milliseconds. */
const PATIENCE_MS = 600_000;
/** Milliseconds until it is tried again: the first where somebody was faster or ZooKeeper was away, else more and more. */
const [RETRY_MS, LONGEST_RETRY_MS] = [1000, 60_000];

export class HostKeepers {
  readonly #environment: Environment;
  readonly #changed: () => void;
  readonly #followed = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>();

  /** @param changed hears when this launcher begins or ends to keep hosts */
  constructor(environment: Environment, changed: () => void) {
    this.#environment = environment;
    this.#changed = changed;
  }

  /**
   * Stands in line for the hosts of these providers from now on, and of no others. Resolves when the locks of those
   * that have gone are given back.
   */
  async follow(drivers: readonly Provider[]): Promise<void> {
    const wanted = new Set(drivers.flatMap(({ name, checkHost }) => (checkHost === undefined ? [] : [name])));
    const gone = [...this.#followed].filter(([name]) => !wanted.has(name));
    for (const [name, { stop }] of gone) {
      stop.abort(new Error("the provider was taken out of the configuration"));
      this.#followed.delete(name);
    }
    for (const name of wanted) {
      if (this.#followed.has(name)) continue;
      const stop = new AbortController();
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      this.#followed.set(name, { stop, ended });
      this.#environment.tasks.start(`keeping the hosts of ${name}`, (closing) =>
        this.#keep(name, AbortSignal.any([closing, stop.signal])).finally(end),
      );
    }
    await Promise.all(gone.map(([, { ended }]) => ended));
  }

  async #keep(provider: string, signal: AbortSignal): Promise<void> {
    const { context } = this.#environment;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const lock = await this.#take(provider, signal);
        failures = 0;
        if (lock !== null) await this.#hold(provider, lock, signal);
      } catch (error) {
        if (signal.aborted) return;
        const fields = { provider, error: messageOf(error) };
        if (isConflict(error) || isOutage(error)) {
          failures = 0;
          context.logger.debug("hosts are not kept here yet", fields);
        } else {
          failures += 1;
          context.logger.error("hosts cannot be kept here", fields);
        }
        const pause = backoffDelay(failures, { initial: RETRY_MS, maximum: LONGEST_RETRY_MS });
        await context.clock.sleep(pause, signal).catch(() => {});
      }
    }
  }

  async #take(provider: string, signal: AbortSignal): Promise<HeldLock | null> {
    const { locks, session, hostname } = this.#environment.context;
    await session.connected(signal);
    await session.ensurePath(HOSTS);
    const options = { identifier: hostname, createParents: true, timeout: PATIENCE_MS, signal };
    return await locks.acquire(hostsLockPath(provider), options);
  }

  async #hold(provider: string, lock: HeldLock, signal: AbortSignal): Promise<void> {
    const { context, hand } = this.#environment;
    try {
      // What the keeper before us has written must be in view: what it has not, its lock keeps from being written.
      await catchUp(context, HOSTS);
      if (lock.signal.aborted) return;
      hand.keeping.set(provider, lock);
      context.logger.info("this launcher keeps the hosts", { provider });
      this.#changed();
      await ended([lock.signal, signal]);
    } finally {
      hand.keeping.delete(provider);
      this.#changed();
      await lock.release().catch(() => undefined);
    }
  }
}

function ended(signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  return new Promise((resolve) => any.addEventListener("abort", () => resolve(), { once: true }));
}
