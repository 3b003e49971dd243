// Nodes on this machine: containers, sandboxes, or plain processes.
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProviderConfig } from "../../config/types.ts";
import { codeOf } from "../../std/errors.ts";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  type Provider,
  type ProviderDescription,
  ProviderError,
  type ProviderImage,
  type Resources,
} from "../contract.ts";
import type { ProviderOptions } from "../options.ts";
import { openContainers } from "./container/open.ts";
import { ENGINE_KINDS, type Engine, type EngineKind, type ProbedEngine } from "./engine.ts";
import { openPlainProcess, openSandbox } from "./hosted/open.ts";
import { writeWhole } from "./hosted/records.ts";
import { type LocalSettings, readSettings, resourceKey } from "./settings.ts";

/** Makes the provider; {@link Provider.start} probes its engine. */
export function openLocalProvider(config: ProviderConfig, options: ProviderOptions): Provider {
  return new LocalProvider(config, options);
}

class LocalProvider implements Provider {
  readonly name: string;
  readonly driver = "local";
  #settings: LocalSettings;
  readonly #options: ProviderOptions;
  #started: Engine | null = null;
  #problem: string | null = "it was not started";

  constructor(config: ProviderConfig, options: ProviderOptions) {
    this.name = config.name;
    this.#settings = readSettings(config, options.stateDir);
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    await mkdir(this.#settings.directory, { recursive: true, mode: 0o700 });
    const problems: string[] = [];
    for (const kind of await this.#candidates()) {
      const probed = await this.#probe(kind, signal);
      if ("problem" in probed) {
        problems.push(probed.problem);
        continue;
      }
      await probed.engine.start(signal);
      this.#started = probed.engine;
      this.#problem = problems.length === 0 ? null : problems.join("; ");
      return;
    }
    this.#problem = problems.join("; ");
    throw new ProviderError(`provider ${this.name} cannot run nodes here: ${this.#problem}`);
  }

  describe(): ProviderDescription {
    return { summary: this.#started?.summary ?? "no engine", problem: this.#problem };
  }

  listInstances(signal: AbortSignal): Promise<Instance[]> {
    return this.#call((engine) => engine.listInstances(signal));
  }

  foreignInstances(signal: AbortSignal): Promise<Instance[]> {
    return this.#call((engine) => engine.foreignInstances(signal));
  }

  createInstance(
    spec: InstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    const resources = this.resourcesOf(spec.pool, spec.label);
    return this.#call((engine) => engine.createInstance({ ...spec, resources }, onExternalId, signal));
  }

  deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    return this.#call((engine) => engine.deleteInstance(externalId, signal));
  }

  consoleLog(externalId: string, signal: AbortSignal): Promise<string | null> {
    return this.#call((engine) => engine.consoleLog(externalId, signal));
  }

  listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    return this.#call((engine) => engine.listImages(signal));
  }

  uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    return this.#call(async (engine) => {
      const id = await engine.uploadImage(spec, signal);
      if (this.#settings.engine === "auto") await writeWhole(this.#choiceFile(), engine.kind);
      return id;
    });
  }

  deleteImage(externalId: string, signal: AbortSignal): Promise<void> {
    return this.#call((engine) => engine.deleteImage(externalId, signal));
  }

  /** None of its own: what a machine can bear is for `max-servers`, `max-cores` and `max-ram` to say. */
  async limits(): Promise<Resources> {
    return {};
  }

  resourcesOf(pool: string, label: string): Resources {
    return this.#settings.resources.get(resourceKey(pool, label)) ?? { instances: 1 };
  }

  changeTo(config: ProviderConfig): boolean {
    const { engine, socket, directory } = this.#settings;
    let next: LocalSettings;
    try {
      next = readSettings(config, this.#options.stateDir);
    } catch {
      // Whoever opens it anew is told what is wrong.
      return false;
    }
    if (next.engine !== engine || next.socket !== socket || next.directory !== directory) return false;
    this.#settings = next;
    return true;
  }

  async stop(): Promise<void> {
    const engine = this.#started;
    this.#started = null;
    await engine?.stop();
  }

  async #call<T>(run: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#started === null) throw new ProviderError(`provider ${this.name} is not started`);
    return run(this.#started);
  }

  #probe(kind: EngineKind, signal: AbortSignal): Promise<ProbedEngine> {
    const { directory, socket } = this.#settings;
    switch (kind) {
      case "container":
        return openContainers({ ...this.#options, directory, socket }, signal);
      case "sandbox":
        return openSandbox(directory, this.#options, signal);
      case "process":
        return openPlainProcess(directory, this.#options);
    }
  }

  /** The engines to try, best first. */
  async #candidates(): Promise<EngineKind[]> {
    const { engine } = this.#settings;
    if (engine !== "auto") return [engine];
    const earlier = await this.#earlierChoice();
    return earlier === null ? ["container", "sandbox"] : [earlier];
  }

  /**
   * The engine that holds this provider's images: they and the nodes would be lost to another one. Null when there
   * are none, and the best engine can be chosen anew.
   */
  async #earlierChoice(): Promise<EngineKind | null> {
    const chosen = await readFile(this.#choiceFile(), "utf8").catch(missing(""));
    const earlier = ENGINE_KINDS.find((kind) => kind === chosen);
    if (earlier !== "sandbox") return earlier ?? null;
    for (const folder of ["images", "instances"]) {
      const names = await readdir(join(this.#settings.directory, folder)).catch(missing<string[]>([]));
      if (names.length > 0) return "sandbox";
    }
    return null;
  }

  #choiceFile(): string {
    return join(this.#settings.directory, "engine");
  }
}

function missing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) !== "ENOENT") throw error;
    return instead;
  };
}
