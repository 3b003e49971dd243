// What the cloud has that labels and pools name: flavors, networks, images, zones. Asked for at the start, now and then,
// and anew when a launch has found that something is not as it was.

import { abortable } from "../../std/abortable.ts";
import { type Clock, elapsed } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import type { Logger } from "../../std/logger.ts";
import { ProviderError, type Resources } from "../contract.ts";
import { chooseFlavor, chooseNetworks } from "./choices.ts";
import type { Compute, Flavor } from "./compute.ts";
import type { ImageApi } from "./image.ts";
import type { Network, NetworkApi } from "./network.ts";
import type { LabelSettings } from "./settings.ts";

/** How long it is good, and how soon it may be asked for anew, in milliseconds. */
const LIFE_MS = 300_000;
const SOONEST_MS = 5000;

/** A label's words as ids of the cloud. */
export interface LabelPlan {
  readonly flavor: Flavor;
  /** Null: Nova chooses. */
  readonly networkIds: readonly string[] | null;
}

interface Services {
  readonly compute: Compute;
  readonly network: NetworkApi;
  readonly image: ImageApi;
}

export class CloudFacts {
  readonly #labels: readonly LabelSettings[];
  readonly #services: Services;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onProblem: () => void;
  readonly #closing: AbortSignal;
  readonly #images = new Map<string, { readonly id: string; readonly at: number }>();
  #flavors: readonly Flavor[] = [];
  #networks: readonly Network[] = [];
  #zones: readonly string[] = [];
  #problems: readonly string[] = [];
  #loadedAt = -Infinity;
  #isStale = false;
  #loading: Promise<void> | null = null;

  constructor(
    labels: readonly LabelSettings[],
    services: Services,
    surroundings: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly closing: AbortSignal;
      readonly onProblem: () => void;
    },
  ) {
    this.#labels = labels;
    this.#services = services;
    this.#clock = surroundings.clock;
    this.#logger = surroundings.logger;
    this.#onProblem = surroundings.onProblem;
    this.#closing = surroundings.closing;
  }

  get networks(): readonly Network[] {
    return this.#networks;
  }

  /** The zones that take servers; empty where the cloud does not tell them. */
  get zones(): readonly string[] {
    return this.#zones;
  }

  /** What stands in the way of labels, a sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Asks the cloud unless the answer is young enough. */
  async refresh(signal: AbortSignal): Promise<void> {
    const age = elapsed(this.#clock) - this.#loadedAt;
    if (age < (this.#isStale ? SOONEST_MS : LIFE_MS)) return;
    this.#loading ??= this.#load(this.#closing).finally(() => {
      this.#loading = null;
    });
    await abortable(this.#loading, signal);
  }

  /** Something is not as it was: the next launch asks anew. */
  doubt(): void {
    this.#isStale = true;
    this.#images.clear();
  }

  /** @throws {NotFoundError} {@link ProviderError} that says which word of the label means nothing here */
  plan(label: LabelSettings): LabelPlan {
    const flavor = chooseFlavor(this.#flavors, label);
    return {
      flavor,
      networkIds: label.networks.length === 0 ? null : chooseNetworks(this.#networks, label),
    };
  }

  flavor(id: string): Flavor | undefined {
    return this.#flavors.find((flavor) => flavor.id === id);
  }

  /** What a node of the label takes; one instance where its flavor is not known. */
  resourcesOf(label: LabelSettings | undefined): Resources {
    if (label === undefined) return { instances: 1 };
    const volume = label.volumeSize === null ? {} : { volumes: 1, "volume-gb": label.volumeSize };
    try {
      const { cores, ram } = chooseFlavor(this.#flavors, label);
      return { instances: 1, cores, ram, ...volume };
    } catch {
      return { instances: 1, ...volume };
    }
  }

  /**
   * The zone to launch in, of one that was asked for: null, which is Nova's choice, where neither the pool nor the cloud
   * lists it any more.
   */
  zoneFor(label: LabelSettings, asked: string | null): string | null {
    if (asked === null || label.zones.includes(asked) || this.#zones.length === 0) return asked;
    return this.#zones.includes(asked) ? asked : null;
  }

  /** The id of a cloud image. @throws {NotFoundError} */
  async imageId(name: string, signal: AbortSignal): Promise<string> {
    const known = this.#images.get(name);
    if (known !== undefined && elapsed(this.#clock) - known.at < LIFE_MS) return known.id;
    const id = await this.#services.image.find(name, signal);
    this.#images.set(name, { id, at: elapsed(this.#clock) });
    return id;
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { compute, network } = this.#services;
    this.#flavors = await compute.flavors(signal);
    this.#networks = await network.networks(signal);
    this.#zones = await compute.zones(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      // Where it tells none at all, nodes of a request may come to lie in several.
      this.#logger.info("the cloud does not tell its zones; the last known ones count", {
        error: messageOf(error),
      });
      return this.#zones;
    });
    const problems = new Set<string>();
    for (const label of this.#labels) {
      for (const problem of await this.#problemsOf(label, signal)) problems.add(problem);
    }
    for (const problem of problems) {
      if (!this.#problems.includes(problem)) this.#logger.warn("a label cannot be launched", { problem });
    }
    const before = this.#problems;
    this.#problems = [...problems];
    if (before.join() !== this.#problems.join()) this.#onProblem();
    this.#loadedAt = elapsed(this.#clock);
    this.#isStale = false;
  }

  async #problemsOf(label: LabelSettings, signal: AbortSignal): Promise<string[]> {
    const problems: string[] = [];
    const image = label.cloudImage;
    const attempts = [
      async () => chooseFlavor(this.#flavors, label),
      async () => chooseNetworks(this.#networks, label),
      async () => (image === null ? null : await this.imageId(image, signal).catch(inCloudImage(label))),
    ];
    for (const attempt of attempts) {
      await attempt().catch((error: unknown) => {
        if (signal.aborted) throw error;
        problems.push(messageOf(error));
      });
    }
    return problems;
  }
}

/** Puts the label and the key before the reason why its image cannot be had. */
function inCloudImage({ label }: LabelSettings): (error: unknown) => never {
  return (error) => {
    throw new ProviderError(`label '${label}': cloud-image: ${messageOf(error)}`, { cause: error });
  };
}
