// A cloud in memory. Its instances are records only: nothing runs, nothing answers, unless an SSH server is named.
import { abortable } from "../../std/abortable.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import {
  type Instance,
  type Leftover,
  METADATA,
  type Metadata,
  NameTakenError,
  NotFoundError,
  ProviderError,
  type ProviderImage,
  QuotaError,
  type Resources,
} from "../contract.ts";
import type { CloudApi, InstanceWish } from "./api.ts";
import { Faults } from "./faults.ts";
import { fairWeather, type Weather } from "./weather.ts";

/** An instance that a test can change. */
export type FakeInstance = { -readonly [Key in keyof Instance]: Instance[Key] };

/** How a cloud is made. */
export interface FakeCloudOptions {
  readonly clock?: Clock;
  /** "any": every image id can be launched; "uploaded": only what was uploaded here. @default "any" */
  readonly images?: "any" | "uploaded";
  /** The zones that instances are spread over. @default none */
  readonly zones?: readonly string[];
  /** Whether it keeps a record of what was asked of it, for tests; it grows for ever. @default true */
  readonly keepsRecord?: boolean;
}

const WHOLE: Resources = { instances: 1, cores: 1, ram: 1024 };

/** The cloud. What it holds can be looked at and changed from outside at any time. */
export class FakeCloud implements CloudApi {
  readonly instances = new Map<string, FakeInstance>();
  readonly images = new Map<string, ProviderImage>();
  readonly leftovers = new Map<string, Leftover>();
  /** Creates and deletes of instances as they came in, as "create np0000000001". */
  readonly calls: string[] = [];
  /** The names of all instances that were ever made on request. */
  readonly made: string[] = [];
  readonly zones: readonly string[];
  readonly weather: Weather = fairWeather();
  /** Where every new instance listens; null: each at a port of its own, which nobody serves. */
  sshPort: number | null = null;
  readonly #clock: Clock;
  readonly #options: FakeCloudOptions;
  readonly #faults: Faults;
  readonly #runningAt = new Map<string, number>();
  /** Until when lists do not yet show, or still show, an instance. */
  readonly #hidden = new Map<string, number>();
  readonly #ghosts = new Map<string, { readonly instance: FakeInstance; readonly until: number }>();
  #last = 0;

  constructor(options: FakeCloudOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#options = options;
    this.zones = options.zones ?? [];
    this.#faults = new Faults(this.weather, this.#clock);
  }

  #note(record: string[], what: string): void {
    if (this.#options.keepsRecord !== false) record.push(what);
  }

  /** Puts an instance there, as one that somebody else or an earlier run has left. */
  add(name: string, metadata: Metadata, state: Instance["state"] = "building", more: Partial<Instance> = {}) {
    this.#last += 1;
    const { zones } = this;
    const instance: FakeInstance = {
      externalId: `fake-${this.#last}`,
      name,
      state,
      metadata,
      interfaceIp: "127.0.0.1",
      publicIpv4: null,
      privateIpv4: "127.0.0.1",
      publicIpv6: null,
      connectionPort: this.sshPort ?? 22_000 + (this.#last % 40_000),
      region: null,
      az: zones[this.#last % Math.max(1, zones.length)] ?? null,
      hostId: null,
      resources: WHOLE,
      attributes: { engine: "fake" },
      ...more,
    };
    this.instances.set(instance.externalId, instance);
    return instance;
  }

  /** Puts something there that no instance uses, as a port. */
  addLeftover(kind: string, metadata: Metadata): Leftover {
    this.#last += 1;
    const externalId = `${kind.replaceAll(" ", "-")}-${this.#last}`;
    const node = metadata[METADATA.node] ?? null;
    const leftover = { kind, externalId, name: externalId, node, metadata };
    this.leftovers.set(externalId, leftover);
    return leftover;
  }

  listInstances(signal: AbortSignal): Promise<Instance[]> {
    return this.#faults.around("listInstances", signal, async () => {
      if (this.#faults.strikes("failLists")) throw new ProviderError("503: the list cannot be had");
      const now = this.#clock.now();
      const shown = [...this.instances.values()].filter(
        ({ externalId }) => (this.#hidden.get(externalId) ?? 0) <= now,
      );
      for (const [id, ghost] of this.#ghosts) {
        if (ghost.until > now) shown.push(ghost.instance);
        else this.#ghosts.delete(id);
      }
      return shown.map((instance) => ({ ...instance, metadata: { ...instance.metadata } }));
    });
  }

  createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance> {
    this.#note(this.calls, `create ${wish.name}`);
    return this.#faults.around("createInstance", signal, async () => {
      if (this.weather.gate !== null) await abortable(this.weather.gate, signal);
      const token = wish.metadata[METADATA.launchToken];
      const sameName = [...this.instances.values()].find((one) => one.name === wish.name);
      if (sameName !== undefined && sameName.metadata[METADATA.launchToken] === token) return { ...sameName };
      if (sameName !== undefined) throw new NameTakenError(`409: there is another instance ${wish.name}`);
      const instance = this.#make(wish);
      if (this.#faults.strikes("loseCreateReplies")) throw new ProviderError("503: the reply was lost");
      return { ...instance };
    });
  }

  #make(wish: InstanceWish): FakeInstance {
    if (this.#faults.strikes("failCreates")) throw new ProviderError("the cloud is out of order (503)");
    if (this.#options.images === "uploaded" && !this.images.has(wish.image)) {
      throw new NotFoundError(`404: there is no image ${wish.image}`);
    }
    if (this.instances.size >= this.weather.quota) throw new QuotaError("403: quota exceeded for instances");
    const { zones } = this;
    if (wish.az !== null && zones.length > 0 && !zones.includes(wish.az)) {
      throw new ProviderError(`400: there is no zone ${wish.az}; zones are ${zones.join(", ")}`);
    }
    const more = { resources: wish.resources, ...(wish.az === null ? {} : { az: wish.az }) };
    const instance = this.add(wish.name, wish.metadata, "building", more);
    this.#note(this.made, wish.name);
    this.#runningAt.set(instance.externalId, this.#clock.now() + this.weather.createMs);
    const lag = this.weather.listLagMs;
    if (lag > 0) this.#hidden.set(instance.externalId, this.#clock.now() + lag);
    return instance;
  }

  awaitInstance(id: string, signal: AbortSignal): Promise<Instance | null> {
    return this.#faults.around("awaitInstance", signal, async () => {
      await this.#faults.pause((this.#runningAt.get(id) ?? 0) - this.#clock.now(), signal);
      const instance = this.instances.get(id);
      if (instance?.state === "building") {
        if (this.#faults.strikes("vanish")) this.#remove(instance);
        else if (this.#faults.strikes("failBoots")) {
          instance.state = "failed";
          instance.fault = "no host was found for it";
        } else instance.state = "running";
      }
      const left = this.instances.get(id);
      return left === undefined ? null : { ...left };
    });
  }

  deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    this.#note(this.calls, `delete ${this.instances.get(id)?.name ?? id}`);
    return this.#faults.around("deleteInstance", signal, async () => {
      await this.#faults.pause(this.weather.deleteMs, signal);
      if (this.#faults.strikes("failDeletes"))
        throw new ProviderError("the cloud does not delete today (503)");
      const instance = this.instances.get(id);
      if (instance === undefined || this.#faults.strikes("lieDeletes")) return;
      this.#remove(instance);
      if (this.#faults.strikes("leavePorts")) this.addLeftover("port", instance.metadata);
      if (this.#faults.strikes("loseDeleteReplies")) throw new ProviderError("503: the reply was lost");
    });
  }

  #remove(instance: FakeInstance): void {
    const { externalId } = instance;
    this.instances.delete(externalId);
    this.#runningAt.delete(externalId);
    const wasShown = (this.#hidden.get(externalId) ?? 0) <= this.#clock.now();
    this.#hidden.delete(externalId);
    const lag = this.weather.listLagMs;
    if (lag > 0 && wasShown) this.#ghosts.set(externalId, { instance, until: this.#clock.now() + lag });
  }

  consoleLog(id: string, signal: AbortSignal): Promise<string | null> {
    return this.#faults.around("consoleLog", signal, async () => {
      const instance = this.instances.get(id);
      return instance === undefined ? null : `${instance.name} login:`;
    });
  }

  listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    return this.#faults.around("listImages", signal, async () => [...this.images.values()]);
  }

  createImage(
    image: { readonly name: string; readonly metadata: Metadata },
    signal: AbortSignal,
  ): Promise<string> {
    return this.#faults.around("createImage", signal, async () => {
      this.#last += 1;
      const externalId = `fake-image-${this.#last}`;
      this.images.set(externalId, { externalId, ...image });
      return externalId;
    });
  }

  deleteImage(id: string, signal: AbortSignal): Promise<void> {
    return this.#faults.around("deleteImage", signal, async () => {
      this.images.delete(id);
    });
  }

  listLeftovers(signal: AbortSignal): Promise<Leftover[]> {
    return this.#faults.around("listLeftovers", signal, async () => [...this.leftovers.values()]);
  }

  deleteLeftover(id: string, signal: AbortSignal): Promise<void> {
    return this.#faults.around("deleteLeftover", signal, async () => {
      this.leftovers.delete(id);
    });
  }

  limits(signal: AbortSignal): Promise<Resources> {
    return this.#faults.around("limits", signal, async () => this.weather.limits);
  }
}
