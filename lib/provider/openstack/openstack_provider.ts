// Nodes in an OpenStack cloud.
import { type Cloud, resolveCloud } from "../../config/clouds/cloud.ts";
import { CloudConfigError, readCloudFiles } from "../../config/clouds/files.ts";
import type { ProviderConfig } from "../../config/types.ts";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  type Leftover,
  METADATA,
  NotFoundError,
  type Provider,
  type ProviderDescription,
  ProviderError,
  type ProviderImage,
  type Resources,
} from "../contract.ts";
import type { ProviderOptions } from "../options.ts";
import { ApiClient } from "./api_client.ts";
import { CloudFacts } from "./cloud_facts.ts";
import { Compute, type Server } from "./compute.ts";
import { FloatingIps } from "./floating_ips.ts";
import { HttpConnections } from "./http.ts";
import { type GlanceImage, ImageApi } from "./image.ts";
import { readInstance } from "./instance.ts";
import { isGone, Launches } from "./launch.ts";
import { Leftovers } from "./leftovers.ts";
import { NetworkApi } from "./network.ts";
import { hasIpv6Address } from "./own_ipv6.ts";
import { removeServer } from "./removal.ts";
import { ServerList } from "./server_list.ts";
import { type LabelSettings, type OpenStackSettings, readSettings } from "./settings.ts";
import { CHECKSUM_KEYS, metadataOf, uploadImage } from "./upload.ts";
import { VolumeApi } from "./volume.ts";

/**
 * Makes the provider; {@link Provider.start} reads clouds.yaml and connects.
 *
 * @param hasIpv6 whether this machine can reach nodes over IPv6; asked once for each list of servers
 */
export function openOpenStackProvider(
  config: ProviderConfig,
  options: ProviderOptions,
  hasIpv6: () => boolean = hasIpv6Address,
): Provider {
  return new OpenStackProvider(config, options, hasIpv6);
}

/** What there is once the cloud is connected to. */
interface Connected {
  readonly cloud: Cloud;
  readonly api: ApiClient;
  readonly connections: HttpConnections;
  readonly compute: Compute;
  readonly network: NetworkApi;
  readonly image: ImageApi;
  readonly volume: VolumeApi | null;
  readonly servers: ServerList;
  readonly facts: CloudFacts;
  readonly floatingIps: FloatingIps;
  readonly launches: Launches;
  readonly leftovers: Leftovers;
}

class OpenStackProvider implements Provider {
  readonly name: string;
  readonly driver = "openstack";
  readonly #settings: OpenStackSettings;
  readonly #options: ProviderOptions;
  readonly #hasIpv6: () => boolean;
  readonly #closing = new AbortController();
  #connected: Connected | null = null;

  constructor(config: ProviderConfig, options: ProviderOptions, hasIpv6: () => boolean) {
    this.name = config.name;
    this.#settings = readSettings(config);
    this.#options = options;
    this.#hasIpv6 = hasIpv6;
  }

  async start(signal: AbortSignal): Promise<void> {
    const connected = await this.#connect().catch((error: unknown) => {
      if (!(error instanceof CloudConfigError)) throw error;
      throw new ProviderError(`provider ${this.name}: ${error.message}`, { cause: error });
    });
    try {
      await connected.compute.negotiate(signal);
      await connected.facts.refresh(signal);
      // Whether they are there at all: better said now than at the first upload or launch.
      await connected.image.images({ limit: "1", name: "nodepool-is-there-a-glance" }, signal);
      await connected.volume?.limits(signal);
    } catch (error) {
      connected.connections.close();
      throw error instanceof ProviderError ? this.#named(error) : error;
    }
    this.#connected = connected;
  }

  async #connect(): Promise<Connected> {
    const { env, clock, logger, onProblem } = this.#options;
    const settings = this.#settings;
    const cloud = resolveCloud(await readCloudFiles(env), env, settings.cloud, settings.region);
    if (!cloud.verify)
      logger.warn("certificates of the cloud are not checked (verify: false)", { cloud: cloud.name });
    const connections = await HttpConnections.open(cloud, env, clock);
    const closing = this.#closing.signal;
    const provider = this.name;
    const api = new ApiClient({ provider, cloud, connections, rate: settings.rate, clock, logger, closing });
    const [compute, network, image] = [new Compute(api), new NetworkApi(api), new ImageApi(api)];
    const volume = settings.labels.some(({ volumeSize }) => volumeSize !== null) ? new VolumeApi(api) : null;
    const servers = new ServerList((inner) => compute.servers(inner), clock, closing);
    const surroundings = { clock, logger, closing, onProblem };
    const facts = new CloudFacts(settings.labels, { compute, network, image }, surroundings);
    const floatingIps = new FloatingIps(cloud, network, closing);
    const launches = new Launches({ provider, cloud, compute, servers, facts, floatingIps, clock, logger });
    const { portCleanupInterval, cleanFloatingIps } = settings;
    const cleaning = { portCleanupInterval, cleanFloatingIps };
    const leftovers = new Leftovers({ provider, network, volume, servers, clock, ...cleaning });
    return {
      cloud,
      api,
      connections,
      compute,
      network,
      image,
      volume,
      servers,
      facts,
      floatingIps,
      launches,
      leftovers,
    };
  }

  /** The error with the provider's name in it, if it is not there yet. */
  #named(error: ProviderError): ProviderError {
    if (error.message.includes(`provider ${this.name}`)) return error;
    return new ProviderError(`provider ${this.name}: ${error.message}`, {
      retryable: error.retryable,
      cause: error,
    });
  }

  get #there(): Connected {
    if (this.#connected === null) throw new ProviderError(`provider ${this.name} was not started`);
    return this.#connected;
  }

  describe(): ProviderDescription {
    if (this.#connected === null) return { summary: "OpenStack", problem: "it was not started" };
    const { cloud, compute, facts } = this.#connected;
    const region = cloud.region === null ? "" : `, region ${cloud.region}`;
    const summary = `OpenStack cloud ${cloud.name}${region} (Nova ${compute.microversion})`;
    return { summary, problem: facts.problems.length === 0 ? null : facts.problems.join("; ") };
  }

  progress(): string | null {
    return this.#connected?.api.slowness ?? null;
  }

  heldUpMs(): number {
    return this.#connected?.api.heldUpMs ?? 0;
  }

  resourcesOf(pool: string, label: string): Resources {
    const facts = this.#connected?.facts;
    return facts === undefined ? { instances: 1 } : facts.resourcesOf(this.#label(pool, label));
  }

  async listInstances(signal: AbortSignal): Promise<Instance[]> {
    return (await this.#instances(signal)).filter(
      ({ metadata }) => metadata[METADATA.provider] === this.name,
    );
  }

  async foreignInstances(signal: AbortSignal): Promise<Instance[]> {
    return (await this.#instances(signal)).filter(
      ({ metadata }) => metadata[METADATA.provider] !== this.name,
    );
  }

  async #instances(signal: AbortSignal): Promise<Instance[]> {
    const { servers } = this.#there;
    const list = [...(await servers.fresh(signal)).values()];
    const read = this.#reader();
    return list.filter(({ status }) => !isGone(status)).map((server) => read(server, null));
  }

  async createInstance(
    spec: InstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    signal.throwIfAborted();
    const { launches } = this.#there;
    const label = this.#label(spec.pool, spec.label);
    if (label === undefined) throw new NotFoundError(`pool ${spec.pool} has no label '${spec.label}'`);
    const id = await launches.begin(spec, label, signal);
    await onExternalId(id);
    const { server, floatingIp } = await launches.finish(id, spec, label, signal);
    return this.#reader()(server, floatingIp?.address ?? null);
  }

  async deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    const { compute, servers, floatingIps, facts } = this.#there;
    const usesFloatingIps =
      floatingIps.source(facts.networks) !== null &&
      this.#settings.labels.some((label) => label.autoFloatingIp);
    const { clock } = this.#options;
    await removeServer({ compute, servers, floatingIps, clock, usesFloatingIps }, externalId, signal);
  }

  consoleLog(externalId: string, signal: AbortSignal): Promise<string | null> {
    return this.#there.compute.consoleLog(externalId, signal);
  }

  async listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    // Glance looks for the property itself: a project may have thousands of other images.
    const images = await this.#there.image.ownImages({ [METADATA.provider]: this.name }, signal);
    return images.filter((image) => this.#isUpload(image)).map(readImage);
  }

  #isUpload({ properties, md5 }: GlanceImage): boolean {
    const sent = properties[CHECKSUM_KEYS.md5] || null;
    const isSame = md5 === null || sent === null || md5 === sent;
    return properties[METADATA.provider] === this.name && isSame && !DERIVED.some((key) => key in properties);
  }

  async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    const { cloud, image } = this.#there;
    const tools = { image, clock: this.#options.clock, properties: cloud.imageProperties };
    try {
      return await uploadImage(tools, spec, signal);
    } catch (error) {
      throw error instanceof ProviderError ? this.#named(error) : error;
    }
  }

  async deleteImage(externalId: string, signal: AbortSignal): Promise<void> {
    await this.#there.image.delete(externalId, signal);
  }

  listLeftovers(signal: AbortSignal): Promise<Leftover[]> {
    return this.#there.leftovers.list(signal);
  }

  deleteLeftover(leftover: Leftover, signal: AbortSignal): Promise<void> {
    return this.#there.leftovers.remove(leftover, signal);
  }

  zones(): readonly string[] {
    return this.#connected?.facts.zones ?? [];
  }

  async limits(signal: AbortSignal): Promise<Resources> {
    const { compute, volume, facts } = this.#there;
    // The same clock that asks for limits keeps flavors and networks up to date.
    await facts.refresh(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      this.#options.logger.warn("flavors and networks are not known anew", { error: String(error) });
    });
    return { ...(await compute.limits(signal)), ...(await volume?.limits(signal)) };
  }

  async stop(): Promise<void> {
    this.#closing.abort(new ProviderError(`provider ${this.name} was stopped`));
    this.#connected?.connections.close();
  }

  #label(pool: string, label: string): LabelSettings | undefined {
    return this.#settings.labels.find((each) => each.pool === pool && each.label === label);
  }

  /** What makes instances of servers, with the facts and addresses of this moment. */
  #reader(): (server: Server, floatingIp: string | null) => Instance {
    const { cloud, facts } = this.#there;
    const context = { cloud, facts, hasIpv6: this.#hasIpv6() };
    return (server, floatingIp) => readInstance(server, floatingIp, context);
  }
}

/**
 * Properties that Nova and Cinder give to an image of a server or a volume. It has those of the image that the server
 * was launched from too, ours among them, and is somebody's who wants to keep it. (Cinder does not always give one; then
 * only the checksum tells that it is not what was uploaded.)
 */
const DERIVED = [
  "base_image_ref",
  "bdm_v2",
  "block_device_mapping",
  "image_type",
  "instance_uuid",
  "signature_verified",
];

function readImage({ id, name, properties }: GlanceImage): ProviderImage {
  return { externalId: id, name, metadata: metadataOf(properties) };
}
