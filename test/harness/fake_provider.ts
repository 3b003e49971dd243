// A provider in memory whose behaviour a test steers: latency, errors, lost replies, quota, leaks, vanished instances.
import {
  type Instance,
  type InstanceSpec,
  METADATA,
  type Metadata,
  NotFoundError,
  type Provider,
  ProviderError,
  QuotaError,
  type Resources,
} from "../../lib/provider/contract.ts";
import { systemClock } from "../../lib/std/clock.ts";

/** What goes wrong, and how fast things go. A test changes it at any time. */
export interface Weather {
  /** Milliseconds from a create to a running instance. */
  createMs: number;
  deleteMs: number;
  /** Creates that fail from now on; each failure counts one down. */
  failCreates: number;
  /** Creates that make the instance and then fail, as when the reply is lost. */
  loseCreateReplies: number;
  failDeletes: number;
  /** Instances at most; more are refused with {@link QuotaError}. */
  quota: number;
  /** What {@link Provider.limits} tells. */
  limits: Resources;
  /** Creates wait until this is settled. */
  gate: Promise<void> | null;
}

/** An instance that the test can change. */
export type FakeInstance = { -readonly [Key in keyof Instance]: Instance[Key] };

/** A provider for tests. */
export class FakeProvider implements Provider {
  readonly name: string;
  readonly driver = "fake";
  readonly instances = new Map<string, FakeInstance>();
  /** Every call that was made, as "create np0000000001". */
  readonly calls: string[] = [];
  readonly weather: Weather = {
    createMs: 0,
    deleteMs: 0,
    failCreates: 0,
    loseCreateReplies: 0,
    failDeletes: 0,
    quota: Infinity,
    limits: {},
    gate: null,
  };
  #last = 0;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  describe() {
    return { summary: "instances in memory", problem: null };
  }

  async listInstances(): Promise<Instance[]> {
    return [...this.instances.values()].filter((one) => one.metadata[METADATA.provider] === this.name);
  }

  async createInstance(
    spec: InstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance> {
    this.calls.push(`create ${spec.name}`);
    if (this.weather.gate !== null) await abortable(this.weather.gate, signal);
    const instance = this.#find(spec) ?? this.#make(spec);
    await onExternalId(instance.externalId);
    await pause(this.weather.createMs, signal);
    if (this.weather.loseCreateReplies > 0) {
      this.weather.loseCreateReplies -= 1;
      throw new ProviderError("the reply was lost");
    }
    if (!this.instances.has(instance.externalId)) throw new ProviderError("the instance has vanished");
    instance.state = "running";
    return { ...instance };
  }

  #find(spec: InstanceSpec): FakeInstance | undefined {
    const token = spec.metadata[METADATA.launchToken];
    return [...this.instances.values()].find((one) => one.metadata[METADATA.launchToken] === token);
  }

  #make(spec: InstanceSpec): FakeInstance {
    if (this.weather.failCreates > 0) {
      this.weather.failCreates -= 1;
      throw new ProviderError("the cloud is out of order");
    }
    if (this.instances.size >= this.weather.quota) throw new QuotaError("quota exceeded for instances");
    return this.add(spec.name, spec.metadata);
  }

  /** Puts an instance there, as one that somebody else or an earlier run has left. */
  add(name: string, metadata: Metadata, state: Instance["state"] = "building"): FakeInstance {
    this.#last += 1;
    const instance: FakeInstance = {
      externalId: `${this.name}-${this.#last}`,
      name,
      state,
      metadata,
      interfaceIp: "127.0.0.1",
      publicIpv4: null,
      privateIpv4: "127.0.0.1",
      publicIpv6: null,
      connectionPort: 22_000 + this.#last,
      region: null,
      az: null,
      hostId: null,
      resources: { instances: 1, cores: 1, ram: 1024 },
      attributes: { engine: "fake" },
    };
    this.instances.set(instance.externalId, instance);
    return instance;
  }

  async deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    this.calls.push(`delete ${this.instances.get(externalId)?.name ?? externalId}`);
    await pause(this.weather.deleteMs, signal);
    if (this.weather.failDeletes > 0) {
      this.weather.failDeletes -= 1;
      throw new ProviderError("the cloud does not delete today");
    }
    this.instances.delete(externalId);
  }

  async consoleLog(externalId: string): Promise<string | null> {
    return this.instances.has(externalId) ? "login:" : null;
  }

  async listImages(): Promise<[]> {
    return [];
  }

  async uploadImage(): Promise<string> {
    throw new NotFoundError("this provider takes no images");
  }

  async deleteImage(): Promise<void> {}

  async limits(): Promise<Resources> {
    return this.weather.limits;
  }

  resourcesOf(): Resources {
    return { instances: 1, cores: 1, ram: 1024 };
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await systemClock.sleep(milliseconds, signal);
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
