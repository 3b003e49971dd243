// The driver `fake`: a provider whose cloud is in memory, for tests of faults and of scale. It is taken only where
// the configuration says `driver: fake`, and says so in the log.
import type { ProviderConfig } from "../../config/types.ts";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  type Leftover,
  METADATA,
  type Provider,
  ProviderError,
  type ProviderImage,
  type Resources,
} from "../contract.ts";
import type { ProviderOptions } from "../options.ts";
import type { CloudApi } from "./api.ts";
import { FakeCloud } from "./cloud.ts";
import { CloudClient } from "./cloud_client.ts";
import { startHostKeyServer } from "./host_key_server.ts";
import { checkImageFile } from "./image_file.ts";
import { readFakeSettings } from "./settings.ts";

/** A provider on a fake cloud. */
export class CloudProvider implements Provider {
  readonly name: string;
  readonly driver = "fake";
  readonly #cloud: CloudApi;
  readonly #resources: (pool: string, label: string) => Resources;
  readonly #stop: () => Promise<void>;

  constructor(
    name: string,
    cloud: CloudApi,
    resources: (pool: string, label: string) => Resources = () => ({ instances: 1, cores: 1, ram: 1024 }),
    stop: () => Promise<void> = async () => {},
  ) {
    this.name = name;
    this.#cloud = cloud;
    this.#resources = resources;
    this.#stop = stop;
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#cloud.limits(signal);
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  describe() {
    return { summary: "fake cloud: its nodes do not exist", problem: null };
  }

  #isOurs = ({ metadata }: { readonly metadata: Readonly<Record<string, string>> }): boolean =>
    metadata[METADATA.provider] === this.name;

  async listInstances(signal: AbortSignal): Promise<Instance[]> {
    return (await this.#cloud.listInstances(signal)).filter(this.#isOurs);
  }

  async foreignInstances(signal: AbortSignal): Promise<Instance[]> {
    return (await this.#cloud.listInstances(signal)).filter((one) => !this.#isOurs(one));
  }

  async createInstance(
    spec: InstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    const { name, imageExternalId: image, az, metadata } = spec;
    const resources = this.resourcesOf(spec.pool, spec.label);
    const made = await this.#cloud.createInstance({ name, image, az, metadata, resources }, signal);
    await onExternalId(made.externalId);
    signal.throwIfAborted();
    const instance = await this.#cloud.awaitInstance(made.externalId, signal);
    if (instance === null) throw new ProviderError(`instance ${made.externalId} of ${name} has vanished`);
    if (instance.state === "running") return instance;
    throw new ProviderError(
      `instance ${made.externalId} of ${name} is ${instance.state}: ${instance.fault ?? ""}`,
    );
  }

  deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    return this.#cloud.deleteInstance(externalId, signal);
  }

  consoleLog(externalId: string, signal: AbortSignal): Promise<string | null> {
    return this.#cloud.consoleLog(externalId, signal);
  }

  async listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    return (await this.#cloud.listImages(signal)).filter(this.#isOurs);
  }

  /** Reads the file through, and keeps nothing of it. */
  async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    await checkImageFile(spec, signal);
    return await this.#cloud.createImage({ name: spec.name, metadata: spec.metadata }, signal);
  }

  deleteImage(externalId: string, signal: AbortSignal): Promise<void> {
    return this.#cloud.deleteImage(externalId, signal);
  }

  listLeftovers(signal: AbortSignal): Promise<Leftover[]> {
    return this.#cloud.listLeftovers(signal);
  }

  deleteLeftover(leftover: Leftover, signal: AbortSignal): Promise<void> {
    return this.#cloud.deleteLeftover(leftover.externalId, signal);
  }

  limits(signal: AbortSignal): Promise<Resources> {
    return this.#cloud.limits(signal);
  }

  resourcesOf(pool: string, label: string): Resources {
    return this.#resources(pool, label);
  }

  zones(): readonly string[] {
    return this.#cloud.zones;
  }
}

/** A provider with a cloud of its own at hand, for tests in one process. */
export class FakeProvider extends CloudProvider {
  readonly cloud: FakeCloud;

  /** `resources` is what each node takes. */
  constructor(name: string, cloud: FakeCloud = new FakeCloud(), resources?: Resources) {
    super(name, cloud, resources === undefined ? undefined : () => resources);
    this.cloud = cloud;
  }

  get instances() {
    return this.cloud.instances;
  }

  get calls() {
    return this.cloud.calls;
  }

  get weather() {
    return this.cloud.weather;
  }

  /** Puts an instance there, as one that somebody else or an earlier run has left. */
  add(...instance: Parameters<FakeCloud["add"]>) {
    return this.cloud.add(...instance);
  }
}

/** The clouds of this process, by provider: a builder and a launcher in one process see the same. */
const clouds = new Map<string, FakeCloud>();

/** Opens a provider of the configuration. @throws {ProviderError} that names a wrong key */
export function openFakeProvider(config: ProviderConfig, options: ProviderOptions): Provider {
  const settings = readFakeSettings(config);
  options.logger.warn("this provider is a fake cloud: its nodes do not exist", { provider: config.name });
  if (settings.cloud !== null) {
    return new CloudProvider(config.name, new CloudClient(settings.cloud), settings.resourcesOf);
  }
  const keyServer = settings.hostKeys ? startHostKeyServer() : null;
  const { clock } = options;
  const cloud =
    clouds.get(config.name) ?? new FakeCloud({ clock, zones: settings.zones, keepsRecord: false });
  clouds.set(config.name, cloud);
  Object.assign(cloud.weather, settings.weather);
  return new ServedProvider(config.name, cloud, settings.resourcesOf, keyServer);
}

/** Waits at its start for the server that shows host keys, and ends it with itself. */
class ServedProvider extends CloudProvider {
  readonly #fake: FakeCloud;
  readonly #keyServer: ReturnType<typeof startHostKeyServer> | null;

  constructor(
    name: string,
    cloud: FakeCloud,
    resources: (pool: string, label: string) => Resources,
    keyServer: ReturnType<typeof startHostKeyServer> | null,
  ) {
    super(name, cloud, resources, async () => (await keyServer)?.close());
    this.#fake = cloud;
    this.#keyServer = keyServer;
  }

  override async start(signal: AbortSignal): Promise<void> {
    if (this.#keyServer !== null) this.#fake.sshPort = (await this.#keyServer).port;
    await super.start(signal);
  }
}
