// The contract between Nodepool and a place where nodes run. A driver implements Provider; behaviour that all
// drivers share (rate limit, retry, tracing) is put around it by decorators.
import type { ProviderConfig } from "../config/types.ts";
import type { NodeRecord } from "../model/node.ts";
import type { Nodepool, NoteInstance } from "./nodepool.ts";

/** Instances and images carry these words, so that whoever finds one knows whose it is. Values are strings. */
export type Metadata = Readonly<Record<string, string>>;

export const METADATA = {
  provider: "nodepool_provider_name",
  pool: "nodepool_pool_name",
  node: "nodepool_node_id",
  image: "nodepool_image_name",
  build: "nodepool_build_id",
  upload: "nodepool_upload_id",
  /** One launch of one node: a repeated create with the same token finds the instance of the first. */
  launchToken: "nodepool_launch_token",
} as const;

/**
 * What a label takes and what a limit allows. `ram` is in MiB, `volume-gb` in GB; a provider may count resources of
 * other names too. Missing means nothing, or no limit.
 */
export interface Resources {
  readonly instances?: number;
  readonly cores?: number;
  readonly ram?: number;
  readonly volumes?: number;
  readonly "volume-gb"?: number;
  readonly [resource: string]: number | undefined;
}

/** How to launch one node. */
export interface InstanceSpec {
  /** The instance's name, unique within the provider: np and the node id. */
  readonly name: string;
  readonly pool: string;
  readonly label: string;
  /** The uploaded image's id at the provider. */
  readonly imageExternalId: string;
  readonly username: string | null;
  /** The zone to launch in, as when a request's other nodes are there already; null: the provider's choice. */
  readonly az: string | null;
  /** Who asked for the node: what a driver may put into the instance's properties. Null for min-ready nodes. */
  readonly request: {
    readonly id: string;
    readonly requestor: string;
    readonly tenant: string | null;
    /**
     * What format strings of the configuration may name of it, in Nodepool's words: id, labels, requestor,
     * requestor_data, relative_priority, event_id, created_time, tenant_name. Absent when the request is gone already.
     */
    readonly fields?: Readonly<Record<string, unknown>>;
  } | null;
  /** Stored with the instance: provider, pool, node, image, launch token. */
  readonly metadata: Metadata;
  /**
   * The instance of an earlier call that the node's record has: where there are several of the launch token, the create
   * goes on with this one. Absent when none was recorded.
   */
  readonly externalId?: string;
}

/** A machine at a provider. */
export interface Instance {
  readonly externalId: string;
  readonly name: string;
  readonly state: "building" | "running" | "stopped" | "failed";
  /** Why it failed or stopped, if the provider says. */
  readonly fault?: string;
  readonly metadata: Metadata;
  readonly interfaceIp: string | null;
  readonly publicIpv4: string | null;
  readonly privateIpv4: string | null;
  readonly publicIpv6: string | null;
  /** The port to connect to when the provider maps it, else null for the configured one. */
  readonly connectionPort: number | null;
  /** The cloud that it is in, by the name that the provider's own configuration has for it; absent where there is none. */
  readonly cloud?: string;
  readonly region: string | null;
  readonly az: string | null;
  readonly hostId: string | null;
  readonly resources: Resources;
  /** Facts about how the node runs, stored in its attributes: engine, isolation. */
  readonly attributes: Readonly<Record<string, string>>;
  /** What a machine that was there before the node brings along. Absent for machines that are launched for a node. */
  readonly host?: HostFacts;
}

/** How a machine is reached that was there before the node: it goes before what the configuration says of images. */
export interface HostFacts
  extends Partial<
    Pick<
      NodeRecord,
      "cloud" | "username" | "pythonPath" | "shellType" | "connectionType" | "connectionPort" | "hostKeys"
    >
  > {
  /** The machine's own attributes; the pool's `node-attributes` go before them. */
  readonly inherited?: NonNullable<NodeRecord["attributes"]>;
}

/** A file to upload and how to name it. */
export interface ImageSpec {
  /** The name at the provider. */
  readonly name: string;
  readonly path: string;
  /** The file's extension, as tar or qcow2. */
  readonly format: string;
  readonly md5: string | null;
  readonly sha256: string | null;
  /** Stored with the image: provider, image, build, upload. */
  readonly metadata: Metadata;
}

/** An image at a provider. */
export interface ProviderImage {
  readonly externalId: string;
  readonly name: string;
  readonly metadata: Metadata;
}

/** Something at a provider beside instances and images that stays behind when a launch or a deletion breaks off. */
export interface Leftover {
  /** As "port", "floating ip", "volume". */
  readonly kind: string;
  readonly externalId: string;
  readonly name: string;
  /** The node that it was made for, when its metadata says so. */
  readonly node: string | null;
  readonly metadata: Metadata;
}

/**
 * A machine that is there already. Its slots are recorded as ready nodes instead of being launched, and it has to pass
 * {@link Provider.checkHost} for that.
 */
export interface Host {
  /** username@name:port, by which it is known. */
  readonly identity: string;
  readonly pool: string;
  /** Its name or address. */
  readonly name: string;
  readonly username: string;
  readonly port: number;
  readonly connectionType: string;
  readonly shellType: string | null;
  readonly pythonPath: string | null;
  readonly labels: readonly string[];
  /** How many nodes share it. */
  readonly slots: number;
  /** How long a check may take, in seconds. */
  readonly timeout: number;
  readonly hostKeyChecking: boolean;
  /** The SSH host keys that it must have, as "type base64"; empty: whatever a scan finds. */
  readonly hostKeys: readonly string[];
  /** What is wrong with it as it is configured; null when nothing is. */
  readonly problem: string | null;
}

/** What a check of a host has found. */
export interface HostCheck {
  /** The keys to expect at the host; each was proved, unless host-key-checking is off. */
  readonly hostKeys: readonly string[];
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** How a provider runs nodes, for people. */
export interface ProviderDescription {
  /** As "containers (podman 4.3.1, runc)". */
  readonly summary: string;
  /** Why it does not serve, or serves with less than one might expect; null when all is well. */
  readonly problem: string | null;
}

/**
 * A provider of nodes. Every call takes a signal that carries its deadline, may be repeated, and rejects with a
 * {@link ProviderError}.
 */
export interface Provider {
  readonly name: string;
  readonly driver: string;
  /** Finds out what the place can do. Must be called, and resolve, before anything else. */
  start(signal: AbortSignal): Promise<void>;
  describe(): ProviderDescription;
  /** Every instance that carries this provider's name in its metadata, whatever its state. */
  listInstances(signal: AbortSignal): Promise<Instance[]>;
  /**
   * Creates the instance and resolves when it runs and has its addresses. Repeated with the same name and launch
   * token, it goes on with the instance of the first call. `note` is called as soon as the id is known.
   * @throws {QuotaError} {@link NotFoundError} when the image is gone, {@link ProviderError}
   */
  createInstance(spec: InstanceSpec, note: NoteInstance, signal: AbortSignal): Promise<Instance>;
  /** Deletes the instance and resolves when it is gone; resolves too when there was none. */
  deleteInstance(externalId: string, signal: AbortSignal): Promise<void>;
  /** What the instance has written to its console, if the provider keeps it. */
  consoleLog(externalId: string, signal: AbortSignal): Promise<string | null>;
  /** Every image that carries this provider's name in its metadata. */
  listImages(signal: AbortSignal): Promise<ProviderImage[]>;
  /**
   * Uploads an image and resolves with its id when nodes can be launched from it. In constant memory: over HTTP
   * `sendFile` (send_file.ts) does that at the speed of curl.
   */
  uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string>;
  /** Deletes the image; resolves too when there was none. Instances that run from it go on. */
  deleteImage(externalId: string, signal: AbortSignal): Promise<void>;
  /**
   * Instances at the place that do not carry this provider's name in their metadata: they count against the quota, and
   * operators ask for them. Also those of which the provider cannot tell just now whose they are: the instance of a node
   * among them is not lost. Absent when the provider cannot list them.
   */
  foreignInstances?(signal: AbortSignal): Promise<Instance[]>;
  /** What may have been left behind and is in use by no instance. Absent when there is nothing of the kind. */
  listLeftovers?(signal: AbortSignal): Promise<Leftover[]>;
  /** Deletes it and resolves when it is gone; resolves too when there was none. */
  deleteLeftover?(leftover: Leftover, signal: AbortSignal): Promise<void>;
  /**
   * Finds out whether a host can be used: that its name resolves, that it answers, that its keys are those of the
   * configuration. Present at a provider of hosts only, which launches nothing: it has no instances and takes no
   * images.
   * @throws {ProviderError} that says what is wrong with the host
   */
  checkHost?(host: Host, signal: AbortSignal): Promise<HostCheck>;
  /** Hears that an instance runs but could not be reached, as when its host keys could not be read. */
  noteUnreachable?(externalId: string, reason: string, signal: AbortSignal): Promise<void>;
  /** What the launch of a node waits for at present, in words; null when there is nothing to say. */
  progress?(node: string): string | null;
  /** For how long in all calls have waited because the provider refused some for being too many, in milliseconds. */
  heldUpMs?(): number;
  /** Gives the driver Nodepool itself to work with, until the function that is returned is called. */
  attach?(nodepool: Nodepool): () => Promise<void>;
  /** What the provider allows in all. */
  limits(signal: AbortSignal): Promise<Resources>;
  /** What one node of this label of this pool takes. */
  resourcesOf(pool: string, label: string): Resources;
  /** The zones that instances can be launched in, as far as is known just now. Absent where there are none. */
  zones?(): readonly string[];
  /**
   * Goes on with other settings as it runs; false, and nothing has changed, when it has to be opened anew for them. Absent
   * where that is so for any: to providers whose instances do not run in this process it does not matter.
   */
  changeTo?(config: ProviderConfig): boolean;
  /** Lets go of connections. Instances go on running, unless this process is what runs them. */
  stop(): Promise<void>;
}

/** A call to a provider that failed. `retryable` says whether the same call may succeed later. */
export class ProviderError extends Error {
  override name = "ProviderError";
  readonly retryable: boolean;

  constructor(message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable ?? true;
  }
}

/** The provider refused for want of quota: not the launch's fault, worth trying when something was freed. */
export class QuotaError extends ProviderError {
  override name = "QuotaError";
}

/** Another launch has an instance of that name: a node of the same number, as there is when ZooKeeper was set back. */
export class NameTakenError extends ProviderError {
  override name = "NameTakenError";
}

/** The provider refused the call for being one too many, as with HTTP's 429: it is to be made again, and no failure. */
export class ThrottledError extends ProviderError {
  override name = "ThrottledError";
  /** How long the provider asks to make no calls, in milliseconds; null when it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, options: { retryAfterMs?: number | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** What the call is about does not exist. */
export class NotFoundError extends ProviderError {
  override name = "NotFoundError";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { ...options, retryable: false });
  }
}
