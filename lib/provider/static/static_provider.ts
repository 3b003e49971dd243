// The driver `static`: machines that are there already. It launches nothing; the launcher records the slots of its
// hosts as ready nodes, and this says whether a host can be used.
import type { ProviderConfig } from "../../config/types.ts";
import type { Clock } from "../../std/clock.ts";
import {
  type Host,
  type HostCheck,
  type Instance,
  NotFoundError,
  type Provider,
  ProviderError,
  type ProviderImage,
  type Resources,
} from "../contract.ts";
import type { ProviderOptions } from "../options.ts";
import { checkHost } from "./check.ts";
import { readHosts } from "./hosts.ts";

/** A provider of hosts. */
export class StaticProvider implements Provider {
  readonly name: string;
  readonly driver = "static";
  readonly #hosts: readonly Host[];
  readonly #problems: readonly string[];
  readonly #clock: Clock;

  constructor(config: ProviderConfig, clock: Clock) {
    this.name = config.name;
    this.#clock = clock;
    const { hosts, problems } = readHosts(config);
    this.#hosts = hosts;
    const own = hosts.flatMap((host) =>
      host.problem === null ? [] : `host ${host.identity}: ${host.problem}`,
    );
    this.#problems = [...problems, ...own];
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  describe() {
    const slots = this.#hosts.reduce((sum, host) => sum + host.slots, 0);
    const problem = this.#problems.length === 0 ? null : this.#problems.join("; ");
    return { summary: `${this.#hosts.length} hosts with ${slots} slots`, problem };
  }

  checkHost(host: Host, signal: AbortSignal): Promise<HostCheck> {
    return checkHost(host, signal, this.#clock);
  }

  async listInstances(signal: AbortSignal): Promise<Instance[]> {
    signal.throwIfAborted();
    return [];
  }

  async createInstance(): Promise<Instance> {
    throw new NotFoundError(`provider ${this.name}: hosts are there already, nothing can be launched`);
  }

  /** A host goes on when its node is deleted. */
  async deleteInstance(): Promise<void> {}

  async consoleLog(): Promise<string | null> {
    return null;
  }

  async listImages(): Promise<ProviderImage[]> {
    return [];
  }

  async uploadImage(): Promise<string> {
    throw new ProviderError(`provider ${this.name}: hosts take no images`, { retryable: false });
  }

  async deleteImage(): Promise<void> {}

  async limits(): Promise<Resources> {
    return {};
  }

  resourcesOf(): Resources {
    return { instances: 1 };
  }
}

/** Opens a provider of the configuration. */
export function openStaticProvider(config: ProviderConfig, { clock }: ProviderOptions): Provider {
  return new StaticProvider(config, clock);
}
