// The providers of the configuration in force: opened, kept over a change, tried again, stopped.
//
// Invariants:
//   S1. A provider whose settings stay, or that goes on with the new ones as it runs, is the same object before and after.
//   S2. Nothing of a new configuration is kept when it is not taken: what was opened for it is stopped.
//   S3. A provider that a change leaves out is stopped when nothing uses it any more, or with all others.
import { isDeepStrictEqual } from "node:util";
import type { Config, ProviderConfig } from "../config/types.ts";
import type { Provider } from "../provider/contract.ts";
import { messageOf } from "../std/errors.ts";
import { type OpenProvidersOptions, openProviders, type UnservedProvider } from "./providers.ts";

/** What providers a configuration has, before it is in force. */
export interface ProviderChange {
  readonly providers: readonly Provider[];
  readonly unserved: readonly UnservedProvider[];
  /** These are the providers from now on; those that are not among them are stopped once they are `released`. */
  take(released: Promise<void>): void;
  /** Stops what was opened for it. */
  drop(): Promise<void>;
}

interface Entry {
  readonly config: ProviderConfig;
  readonly provider: Provider | null;
  readonly unserved: UnservedProvider | null;
}

export class ProviderSet {
  readonly #options: OpenProvidersOptions;
  #entries: readonly Entry[] = [];
  /** Not of the configuration in force any more, and still in use. */
  readonly #leaving = new Set<Provider>();

  #hear: () => void = () => {};

  constructor(options: OpenProvidersOptions) {
    this.#options = { ...options, onProblem: () => this.#hear() };
  }

  /** Calls back when the problem that a provider tells of itself comes, goes or changes. One listener at a time. */
  follow(hear: () => void): void {
    this.#hear = hear;
  }

  /** Whether every provider is served and has no problem. */
  get isWhole(): boolean {
    const isSound = (provider: Provider) => provider.describe().problem === null;
    return this.unserved.length === 0 && this.providers.every(isSound);
  }

  get providers(): readonly Provider[] {
    return this.#entries.flatMap(({ provider }) => provider ?? []);
  }

  get unserved(): readonly UnservedProvider[] {
    return this.#entries.flatMap(({ unserved }) => unserved ?? []);
  }

  /** Opens what `config` has beyond what is open. */
  async prepare(config: Config): Promise<ProviderChange> {
    const before = new Map(this.#entries.map((entry) => [entry.config.name, entry]));
    const kept = new Map<string, Entry>();
    const changed: Entry[] = [];
    const takeBack = () => {
      for (const entry of changed) entry.provider?.changeTo?.(entry.config);
    };
    for (const wanted of config.providers) {
      const entry = before.get(wanted.name);
      if (!entry?.provider || entry.config.driver !== wanted.driver) continue;
      if (isDeepStrictEqual(entry.config, wanted)) kept.set(wanted.name, entry);
      else if (entry.provider.changeTo?.(wanted)) {
        kept.set(wanted.name, { ...entry, config: wanted });
        changed.push(entry);
      }
    }
    const missing = config.providers.filter(({ name }) => !kept.has(name));
    const told = new Map(this.unserved.map(({ name, problem }) => [name, problem]));
    const opening = openProviders({ ...config, providers: missing }, { ...this.#options, told });
    const opened = await opening.catch((error: unknown) => {
      takeBack();
      throw error;
    });
    const entries = config.providers.map((wanted): Entry => {
      const provider = opened.providers.find(({ name }) => name === wanted.name) ?? null;
      const unserved = opened.unserved.find(({ name }) => name === wanted.name) ?? null;
      return kept.get(wanted.name) ?? { config: wanted, provider, unserved };
    });
    const providers = entries.flatMap(({ provider }) => provider ?? []);
    return {
      providers,
      unserved: entries.flatMap(({ unserved }) => unserved ?? []),
      take: (released) => {
        const gone = this.providers.filter((provider) => !providers.includes(provider));
        this.#entries = entries;
        for (const provider of gone) this.#leaving.add(provider);
        void released.then(() => this.#stop(gone.filter((provider) => this.#leaving.delete(provider))));
      },
      drop: () => {
        takeBack();
        return this.#stop(opened.providers);
      },
    };
  }

  /** Stops all. */
  close(): Promise<void> {
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    return this.#stop([...this.providers, ...leaving]);
  }

  async #stop(providers: readonly Provider[]): Promise<void> {
    await Promise.all(
      providers.map((provider) =>
        provider.stop().catch((error: unknown) => {
          this.#options.logger.warn("provider did not stop", {
            provider: provider.name,
            error: messageOf(error),
          });
        }),
      ),
    );
  }
}
