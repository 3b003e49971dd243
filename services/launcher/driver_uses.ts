// Who is using which driver, so that one that leaves the configuration can be let go of.
import type { Provider } from "../../lib/provider/contract.ts";

/** A piece of work with a driver. */
export interface DriverUse {
  /** Aborted when the driver goes: the work is left where another process, or the same provider's next driver, goes on. */
  readonly signal: AbortSignal;
  end(): void;
}

interface Entry {
  readonly driver: Provider;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export class DriverUses {
  readonly #uses = new Set<Entry>();

  begin(driver: Provider | undefined): DriverUse {
    const controller = new AbortController();
    if (driver === undefined) return { signal: controller.signal, end: () => {} };
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry: Entry = { driver, controller, ended: promise };
    this.#uses.add(entry);
    const end = () => {
      this.#uses.delete(entry);
      resolve();
    };
    return { signal: controller.signal, end };
  }

  /** Interrupts all work with these drivers; resolves when it has ended. */
  async drain(drivers: ReadonlySet<Provider>): Promise<void> {
    const uses = [...this.#uses].filter(({ driver }) => drivers.has(driver));
    for (const { controller } of uses)
      controller.abort(new Error("the provider's configuration has changed"));
    await Promise.all(uses.map(({ ended }) => ended));
  }
}
