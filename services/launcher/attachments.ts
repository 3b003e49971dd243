// Gives Nodepool itself to those providers that take their machines from it, for as long as they are in use.
import type { Provider } from "../../lib/provider/contract.ts";
import { throughCheckpoints } from "./checkpoint.ts";
import type { Environment } from "./environment.ts";

export class Attachments {
  readonly #environment: Environment;
  readonly #detach = new Map<Provider, () => Promise<void>>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Attaches those of the providers that are new here. */
  attach(providers: readonly Provider[]): void {
    const { context, checkpoint } = this.#environment;
    const { session, view, newUuid } = context;
    for (const provider of providers) {
      if (this.#detach.has(provider)) continue;
      const detach = provider.attach?.({
        session,
        view,
        newUuid,
        step: (name, run) => throughCheckpoints(checkpoint, name, run),
      });
      if (detach !== undefined) this.#detach.set(provider, detach);
    }
  }

  /** Lets go of all but these. */
  async keep(providers: readonly Provider[]): Promise<void> {
    const gone = [...this.#detach].filter(([provider]) => !providers.includes(provider));
    for (const [provider] of gone) this.#detach.delete(provider);
    await Promise.all(gone.map(([, detach]) => detach()));
  }
}
