// Looks through every provider that may have something: each at its own pace, so that one that fails or hangs does not
// stop the others.
import { ROOT } from "../../../lib/model/paths.ts";
import type { Provider } from "../../../lib/provider/contract.ts";
import { withDeadline } from "../../../lib/std/deadline.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { Environment } from "../environment.ts";

const LIST_TIMEOUT_MS = 60_000;

/** Asks a provider for a list, but not for long. */
export function askForList<T>(
  { context: { clock } }: Environment,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withDeadline(clock, LIST_TIMEOUT_MS, `no answer in ${LIST_TIMEOUT_MS / 1000} s`, [signal], ask);
}

/**
 * Waits until the view shows all that has been written until now; whether it does. A connection that has fallen silent
 * is found out late: until then the view looks current, and what others have launched meanwhile as if nobody knew it.
 */
export async function isUpToDate({ context }: Environment, signal: AbortSignal): Promise<boolean> {
  try {
    await catchUp(context, ROOT);
  } catch (error) {
    if (!isZooKeeperError(error)) throw error;
    return false;
  }
  return context.view.current && !signal.aborted;
}

export class Looks {
  readonly #environment: Environment;
  readonly #span: string;
  readonly #look: (driver: Provider, signal: AbortSignal) => Promise<void>;
  readonly #looking = new Set<Provider>();

  /** @param span the name of the span of one look */
  constructor(
    environment: Environment,
    span: string,
    look: (driver: Provider, signal: AbortSignal) => Promise<void>,
  ) {
    this.#environment = environment;
    this.#span = span;
    this.#look = look;
  }

  /** Begins to look through every provider that is not being looked through. */
  start(): void {
    const { context, tasks } = this.#environment;
    for (const driver of context.providers) {
      // A provider of hosts has no instances and no images.
      if (this.#looking.has(driver) || driver.checkHost !== undefined) continue;
      this.#looking.add(driver);
      tasks.start(`${this.#span} ${driver.name}`, async (signal) => {
        try {
          await this.#lookThrough(driver, signal);
        } finally {
          this.#looking.delete(driver);
        }
      });
    }
  }

  async #lookThrough(driver: Provider, signal: AbortSignal): Promise<void> {
    const { context } = this.#environment;
    if (signal.aborted || !context.view.current) return;
    const provider = driver.name;
    try {
      const attributes = { "nodepool.provider": provider };
      await withSpan(this.#span, { attributes }, () => this.#look(driver, signal));
    } catch (error) {
      if (signal.aborted) return;
      const fields = { provider, span: this.#span, error: messageOf(error) };
      context.logger.warn("provider could not be looked through", fields);
    }
    this.#environment.kick();
  }
}
