// Nodes that this process runs itself: an SSH server per node, in front of a copy of the unpacked image. How a
// command is run, in a sandbox or as a plain process, is the runner's business.
//
// 1. A node's record is written before anything else of it exists, and removed before anything else of it is.
// 2. A node keeps its port and its host keys for life, so that it is the same machine after a restart.
// 3. Only a process that hosts instances listens; a builder with the same directory only handles images.
// 4. One process at a time hosts the instances of a directory. Another one would take nodes that it does not serve for dead
//    ones, and could end neither their servers nor what runs in them.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { isAlive } from "../../../host/process_identity.ts";
import type { Clock } from "../../../std/clock.ts";
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
import { failureOf, runProgram } from "../program.ts";
import { Creations, isSameLaunch } from "./creations.ts";
import { claimFolder } from "./folder_claim.ts";
import { furnishNode, refused } from "./node_files.ts";
import { NodeServers } from "./node_servers.ts";
import { type InstanceRecord, imageRecords, instanceRecords, isRecordName } from "./records.ts";
import type { CommandRunner } from "./runner.ts";
import { unpack } from "./unpack.ts";

/** What an engine of hosted nodes is made of. */
export interface HostedEngineOptions {
  readonly kind: "sandbox" | "process";
  readonly summary: string;
  readonly runner: CommandRunner;
  /** Holds images/ and instances/. */
  readonly directory: string;
  /** Whether this process listens for the instances, or another one does. */
  readonly hostsInstances: boolean;
  /** The user id that owns every file of images and nodes; null: our own. */
  readonly owner: number | null;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** An engine whose nodes live in this process. */
export class HostedEngine implements Engine {
  readonly kind: "sandbox" | "process";
  readonly summary: string;
  readonly #options: HostedEngineOptions;
  readonly #images: ReturnType<typeof imageRecords>;
  readonly #instances: ReturnType<typeof instanceRecords>;
  readonly #servers: NodeServers;
  readonly #creations = new Creations();
  #leave = () => {};

  constructor(options: HostedEngineOptions) {
    this.#options = options;
    this.kind = options.kind;
    this.summary = options.summary;
    this.#images = imageRecords(options.directory);
    this.#instances = instanceRecords(options.directory);
    this.#servers = new NodeServers(this.#instances, options);
  }

  async start(signal: AbortSignal): Promise<void> {
    await mkdir(this.#images.directory, { recursive: true, mode: 0o700 });
    await mkdir(this.#instances.directory, { recursive: true, mode: 0o700 });
    const now = this.#options.clock.now();
    await this.#images.sweep(now, signal);
    if (!this.#options.hostsInstances) return;
    this.#leave = await claimFolder(this.#options.directory, this.#options.clock);
    try {
      await this.#resume(now, signal);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #resume(now: number, signal: AbortSignal): Promise<void> {
    await this.#instances.sweep(now, signal);
    for (const [name, record] of await this.#instances.list()) {
      if (record.engine !== this.kind) continue;
      if (record.state === "building" && !isAlive(record.pid)) {
        await this.#instances.write(name, {
          ...record,
          state: "failed",
          fault: "its creation was interrupted",
        });
      }
      if (record.state === "running") await this.#servers.resume(name, record.port);
    }
  }

  async listInstances(): Promise<Instance[]> {
    const records = [...(await this.#instances.list())];
    return records.map(([name, record]) => this.#describe(name, record));
  }

  /** The directory has those of this provider only. */
  async foreignInstances(): Promise<Instance[]> {
    return [];
  }

  async createInstance(
    spec: LocalInstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    if (!isRecordName(spec.name)) throw refused(`${JSON.stringify(spec.name)} cannot be a node's name`);
    while (true) {
      const existing = await this.#instances.read(spec.name);
      if (existing !== null && !isSameLaunch(existing, spec)) {
        throw new NameTakenError(
          `${spec.name} exists already, from another launch: it must be deleted first`,
        );
      }
      const underWay = this.#creations.get(spec.name);
      if (underWay === undefined) {
        if (existing === null || !this.#servers.has(spec.name)) {
          return await this.#creations.begin(spec, signal, (whole) =>
            this.#create(spec, onExternalId, whole),
          );
        }
        await onExternalId(spec.name);
        return this.#describe(spec.name, existing);
      }
      if (isSameLaunch(underWay.spec, spec)) await onExternalId(spec.name);
      const joined = await this.#creations.join(underWay, spec, signal);
      if (joined !== null) return joined;
    }
  }

  async deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    const reason = new ProviderError(`${externalId} was deleted while it was created`);
    await this.#creations.end(externalId, reason);
    await this.#servers.close(externalId);
    await this.#instances.remove(externalId, signal);
  }

  /** These nodes have no console. */
  async consoleLog(): Promise<string | null> {
    return null;
  }

  async listImages(): Promise<ProviderImage[]> {
    const records = [...(await this.#images.list())];
    return records.map(([externalId, { name, metadata }]) => ({ externalId, name, metadata }));
  }

  async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    if (spec.format !== "tar") throw refused(`images must be tar files, not ${spec.format}`);
    const name = spec.name.replaceAll(/[^A-Za-z0-9_.-]/g, "-").slice(0, 100);
    const id = `image-${name}-${randomBytes(4).toString("hex")}`;
    await this.#images.create(
      id,
      async (directory) => {
        const root = join(directory, "rootfs");
        const { skipped } = await unpack(spec.path, root, spec, signal);
        await this.#own(root, signal);
        this.#options.logger.debug("image unpacked", { image: spec.name, skipped });
        return { name: spec.name, metadata: { ...spec.metadata } };
      },
      signal,
    );
    return id;
  }

  async deleteImage(externalId: string, signal: AbortSignal): Promise<void> {
    await this.#images.remove(externalId, signal);
  }

  async stop(): Promise<void> {
    await this.#creations.endAll(new ProviderError("the provider is stopping"));
    await this.#servers.closeAll();
    this.#leave();
    this.#leave = () => {};
  }

  async #create(
    spec: LocalInstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    if ((await this.#images.read(spec.imageExternalId)) === null) {
      throw new NotFoundError(`image ${spec.imageExternalId} does not exist at this provider`);
    }
    const intent = this.#intent(spec);
    try {
      await this.#instances.write(spec.name, intent);
      await onExternalId(spec.name);
      const image = join(this.#images.path(spec.imageExternalId), "rootfs");
      await furnishNode(this.#instances.path(spec.name), image, spec.username, signal);
      const port = await this.#servers.open(spec.name, 0);
      const record: InstanceRecord = { ...intent, state: "running", port };
      await this.#instances.write(spec.name, record);
      signal.throwIfAborted();
      return this.#describe(spec.name, record);
    } catch (error) {
      await this.#servers.close(spec.name);
      await this.#instances.remove(spec.name, new AbortController().signal);
      throw error;
    }
  }

  #intent(spec: LocalInstanceSpec): InstanceRecord {
    return {
      engine: this.kind,
      state: "building",
      metadata: { ...spec.metadata },
      image: spec.imageExternalId,
      resources: { ...spec.resources },
      pid: process.pid,
      port: 0,
    };
  }

  #describe(name: string, record: InstanceRecord): Instance {
    const { state, fault } = this.#stateOf(name, record);
    return {
      externalId: name,
      name,
      state,
      ...(fault === undefined ? {} : { fault }),
      metadata: record.metadata,
      interfaceIp: "127.0.0.1",
      publicIpv4: "127.0.0.1",
      privateIpv4: "127.0.0.1",
      publicIpv6: null,
      connectionPort: record.port === 0 ? null : record.port,
      region: null,
      az: null,
      hostId: null,
      resources: record.resources as Instance["resources"],
      attributes: {
        engine: record.engine,
        isolation: this.#options.runner.isolation,
        image: record.metadata[METADATA.image] ?? record.image,
      },
    };
  }

  #stateOf(name: string, record: InstanceRecord): { state: Instance["state"]; fault?: string | undefined } {
    if (record.engine !== this.kind) {
      return { state: "stopped", fault: `it was made by the engine ${record.engine}, which is not in use` };
    }
    if (record.state !== "running" || !this.#options.hostsInstances || this.#servers.has(name)) {
      return { state: record.state, fault: record.fault };
    }
    return { state: "stopped", fault: this.#servers.faultOf(name) ?? "nothing listens for it" };
  }

  async #own(root: string, signal: AbortSignal): Promise<void> {
    const { owner } = this.#options;
    if (owner === null) return;
    const changed = await runProgram("chown", ["-hR", `${owner}:${owner}`, root], signal);
    if (changed.code !== 0) throw new ProviderError(`the image could not be prepared: ${failureOf(changed)}`);
  }
}
