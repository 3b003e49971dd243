// Nodes as containers of Docker or Podman.
//
// 1. A container carries everything that we know of its node: there is no other record.
// 2. The port of this machine that leads to a node is chosen here, not by the engine: the engine would choose anew each
//    time that the container starts.
import type { Container, ContainerInfo } from "dockerode";
import type { Clock } from "../../../std/clock.ts";
import { deadline } from "../../../std/deadline.ts";
import { messageOf } from "../../../std/errors.ts";
import type { Logger } from "../../../std/logger.ts";
import {
  type ImageSpec,
  type Instance,
  METADATA,
  NameTakenError,
  NotFoundError,
  ProviderError,
  type ProviderImage,
} from "../../contract.ts";
import type { Engine, LocalInstanceSpec } from "../engine.ts";
import { isRecordName } from "../hosted/records.ts";
import { foreignOf, instanceOf, isNodeOf, labelsOf, nameOf, portOf } from "./container_labels.ts";
import { type DockerApi, DockerError, isConflict, isNameInUse, unlessGone } from "./docker_api.ts";
import { readLog, waitForGreeting } from "./greeting.ts";
import { ContainerImages, OWNER_LABEL } from "./images.ts";
import { containerOptions, type Tweaks } from "./node_container.ts";
import type { AnsweringSocket } from "./socket.ts";

const PORT_ATTEMPTS = 5;
/** An engine may be so long at a container after the call for it was given up, in milliseconds. */
const MAKING_MS = 30_000;
const MAKING_PAUSE_MS = 200;
const STOP_SECONDS = 3;
/** How long all containers together may take to stop, in milliseconds. */
const STOP_ALL_MS = 60_000;
const LOG_LINES = 500;

/** What an engine of containers is made of. */
export interface ContainerEngineOptions {
  readonly socket: AnsweringSocket;
  readonly tweaks: Tweaks;
  readonly summary: string;
  /** Tells the containers and images of this provider from all others of the machine. */
  readonly owner: string;
  readonly ownsInstances: boolean;
  /** A port of loopback that nobody listens on. */
  readonly choosePort: () => Promise<number>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** An engine whose nodes are containers. */
export class ContainerEngine implements Engine {
  readonly kind = "container";
  readonly summary: string;
  readonly #options: ContainerEngineOptions;
  readonly #images: ContainerImages;
  readonly #creations = new Map<string, Promise<Instance>>();
  readonly #isolation: string;
  readonly #there: { readonly api: DockerApi; readonly clock: Clock };

  constructor(options: ContainerEngineOptions) {
    this.#options = options;
    this.summary = options.summary;
    const { socket, owner, clock, logger } = options;
    this.#there = { api: socket.api, clock };
    this.#images = new ContainerImages(socket.api, owner, clock, logger);
    const limits = options.tweaks.noLimits ? "no resource limits" : "limits on cores and memory";
    this.#isolation = `container (${options.socket.engine}): own files, processes, users and network; ${limits}`;
  }

  async start(signal: AbortSignal): Promise<void> {
    if (!this.#options.ownsInstances) return;
    const stopped = (await this.#containers(signal)).filter(({ State }) => State === "exited");
    await Promise.all(
      stopped.map(async (info) => {
        try {
          await this.#start(this.#container(info.Id), signal);
          await waitForGreeting(this.#there, info.Id, portOf(info), signal);
        } catch (error) {
          signal.throwIfAborted();
          const fields = { instance: nameOf(info), error: messageOf(error) };
          this.#options.logger.warn("instance could not be started again", fields);
        }
      }),
    );
  }

  async listInstances(signal: AbortSignal): Promise<Instance[]> {
    return (await this.#containers(signal)).map((info) => instanceOf(info, this.#isolation));
  }

  /** Every other container of the engine, whoever has made it. */
  async foreignInstances(signal: AbortSignal): Promise<Instance[]> {
    const all = await this.#list(signal, {});
    const others = all.filter((info) => !isNodeOf(this.#options.owner, info));
    return others.map((info) => foreignOf(info, this.#isolation));
  }

  async createInstance(
    spec: LocalInstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    const underWay = this.#creations.get(spec.name);
    if (underWay !== undefined) await underWay.catch(() => {});
    const creation = this.#create(spec, onExternalId, signal);
    this.#creations.set(spec.name, creation);
    try {
      return await creation;
    } finally {
      if (this.#creations.get(spec.name) === creation) this.#creations.delete(spec.name);
    }
  }

  async deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    if (!isRecordName(externalId)) return;
    const container = this.#container(externalId);
    // By force right away some engines would first wait for it to end by itself.
    await this.#call(signal, (abortSignal) => container.kill({ abortSignal })).catch(() => {});
    await this.#remove(container, signal);
    await this.#images.sweep(signal);
  }

  async consoleLog(externalId: string, signal: AbortSignal): Promise<string | null> {
    return unlessGone(readLog(this.#there.api, externalId, LOG_LINES, signal));
  }

  listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    return this.#images.list(signal);
  }

  uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    return this.#images.upload(spec, signal);
  }

  deleteImage(externalId: string, signal: AbortSignal): Promise<void> {
    return this.#images.delete(externalId, signal);
  }

  async stop(): Promise<void> {
    if (!this.#options.ownsInstances) return;
    const late = () => new ProviderError(`the containers were not stopped in ${STOP_ALL_MS / 1000} s`);
    const limit = deadline(this.#options.clock, STOP_ALL_MS, late, []);
    await this.#stopAll(limit.signal).finally(limit.stop);
  }

  async #stopAll(signal: AbortSignal): Promise<void> {
    const running = (await this.#containers(signal)).filter(({ State }) => State === "running");
    await Promise.all(
      running.map(async (info) => {
        try {
          await this.#call(signal, (abortSignal) =>
            this.#container(info.Id).stop({ t: STOP_SECONDS, abortSignal }),
          );
        } catch (error) {
          const fields = { instance: nameOf(info), error: messageOf(error) };
          this.#options.logger.warn("instance could not be stopped", fields);
        }
      }),
    );
  }

  async #create(
    spec: LocalInstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    if (!isRecordName(spec.name)) {
      throw new ProviderError(`${JSON.stringify(spec.name)} cannot be a node's name`, { retryable: false });
    }
    let found = await this.#findLaunched(spec, signal);
    for (let attempt = 1; ; attempt += 1) {
      const made = found ?? (await this.#createContainer(spec, signal));
      if (typeof made !== "string") found = made;
      const id = typeof made === "string" ? made : made.Id;
      await onExternalId(id);
      try {
        const port = found === undefined ? await this.#portOf(id, signal) : portOf(found);
        await this.#start(this.#container(id), signal);
        await waitForGreeting(this.#there, id, port, signal);
        return await this.#find(id, signal);
      } catch (error) {
        if (error instanceof NotFoundError) {
          // As `docker container prune` does with what was not started yet.
          throw new ProviderError(`container ${id.slice(0, 12)} has vanished`, { cause: error });
        }
        if (attempt === PORT_ATTEMPTS || !isPortTaken(error)) throw error;
        await this.#remove(this.#container(id), signal);
        found = undefined;
      }
    }
  }

  /** The container of this launch. @throws {NameTakenError} where another launch has one of the name */
  async #findLaunched(spec: LocalInstanceSpec, signal: AbortSignal): Promise<ContainerInfo | undefined> {
    const found = (await this.#containers(signal)).find((info) => nameOf(info) === spec.name);
    if (found !== undefined && found.Labels[METADATA.launchToken] !== spec.metadata[METADATA.launchToken]) {
      throw new NameTakenError(`${spec.name} exists already, from another launch: it must be deleted first`);
    }
    return found;
  }

  /** Gives the new container's id; the container itself where an earlier call of the launch has made it after all. */
  async #createContainer(spec: LocalInstanceSpec, signal: AbortSignal): Promise<string | ContainerInfo> {
    const { tweaks, owner } = this.#options;
    const port = await this.#options.choosePort();
    const labels = { ...labelsOf(spec, port), [OWNER_LABEL]: owner };
    const options = containerOptions(
      { image: spec.imageExternalId, hostname: spec.name, labels, resources: spec.resources, port },
      tweaks,
    );
    const name = `${spec.name}-${owner.slice(0, 8)}`;
    try {
      const container = await this.#options.socket.api.call(signal, (docker, abortSignal) =>
        docker.createContainer({ ...options, name, abortSignal }),
      );
      return container.id;
    } catch (error) {
      if (error instanceof NotFoundError) {
        throw new NotFoundError(`image ${spec.imageExternalId} does not exist at this provider`, {
          cause: error,
        });
      }
      if (!isNameInUse(error)) throw error;
      const { clock } = this.#options;
      const until = clock.now() + MAKING_MS;
      while (clock.now() < until) {
        const found = await this.#findLaunched(spec, signal);
        if (found !== undefined) return found;
        await clock.sleep(MAKING_PAUSE_MS, signal);
      }
      throw error;
    }
  }

  async #start(container: Container, signal: AbortSignal): Promise<void> {
    try {
      await this.#call(signal, (abortSignal) => container.start({ abortSignal }));
    } catch (error) {
      // 304: it runs already.
      if (!(error instanceof DockerError && error.status === 304)) throw error;
    }
  }

  async #find(id: string, signal: AbortSignal): Promise<Instance> {
    const info = (await this.#containers(signal)).find(({ Id }) => Id === id);
    if (info === undefined) throw new ProviderError(`container ${id} is gone`);
    return instanceOf(info, this.#isolation);
  }

  async #portOf(id: string, signal: AbortSignal): Promise<number> {
    const { Config } = await this.#call(signal, (abortSignal) =>
      this.#container(id).inspect({ abortSignal }),
    );
    return portOf(Config);
  }

  async #containers(signal: AbortSignal): Promise<ContainerInfo[]> {
    const { owner } = this.#options;
    const labelled = await this.#list(signal, { label: [`${OWNER_LABEL}=${owner}`] });
    return labelled.filter((info) => isNodeOf(owner, info));
  }

  #list(signal: AbortSignal, filters: Readonly<Record<string, string[]>>): Promise<ContainerInfo[]> {
    return this.#options.socket.api.call(signal, (docker, abortSignal) =>
      docker.listContainers({ all: true, filters: JSON.stringify(filters), abortSignal }),
    );
  }

  async #remove(container: Container, signal: AbortSignal): Promise<void> {
    while (true) {
      try {
        await unlessGone(
          this.#call(signal, (abortSignal) => container.remove({ force: true, v: true, abortSignal })),
        );
        return;
      } catch (error) {
        // Another removal is under way: it is awaited.
        if (!isConflict(error)) throw error;
        await this.#options.clock.sleep(200, signal);
      }
    }
  }

  #container(id: string): Container {
    return this.#options.socket.api.docker.getContainer(id);
  }

  #call<T>(signal: AbortSignal, run: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#options.socket.api.call(signal, (_docker, abortSignal) => run(abortSignal));
  }
}

function isPortTaken(error: unknown): boolean {
  return /port is already allocated|address already in use/i.test(messageOf(error));
}
