// Nova, as far as nodes need it.
import { Buffer } from "node:buffer";
import { Gate } from "../../std/gate.ts";
import { ProviderError, type Resources } from "../contract.ts";
import type { ApiClient } from "./api_client.ts";
import { ApiError, isNotFound } from "./errors.ts";

/** One address of a server. */
export interface ServerAddress {
  /** The network's name. */
  readonly network: string;
  readonly address: string;
  readonly version: 4 | 6;
  readonly isFloating: boolean;
}

export interface Server {
  readonly id: string;
  readonly name: string;
  /** As ACTIVE, BUILD, ERROR, SHUTOFF, UNKNOWN. */
  readonly status: string;
  /** As deleting; null when nothing is under way. */
  readonly taskState: string | null;
  readonly fault: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly addresses: readonly ServerAddress[];
  readonly accessIpv4: string | null;
  readonly accessIpv6: string | null;
  readonly hostId: string | null;
  readonly az: string | null;
  readonly flavor: Flavor | null;
  readonly volumes: number;
}

export interface Flavor {
  readonly id: string;
  readonly name: string;
  readonly cores: number;
  /** MiB. */
  readonly ram: number;
}

/** What a new server shall be. */
export interface ServerWish {
  readonly name: string;
  readonly flavorId: string;
  readonly imageId: string;
  /** Boots from a volume of so many GB that goes with the server; null: from the host's disk. */
  readonly volumeSize: number | null;
  /** Ids; null leaves the choice to Nova. */
  readonly networkIds: readonly string[] | null;
  readonly securityGroups: readonly string[];
  readonly keyName: string | null;
  readonly az: string | null;
  /** Undefined: the cloud's default. */
  readonly configDrive: boolean | undefined;
  readonly userData: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * From 2.47 on a server tells its flavor's size; from 2.69 on the servers of a part of the cloud that is down are listed
 * and not left out. 2.79 is what we have been tried with.
 */
const WANTED_MICROVERSION = 79;

/**
 * Nova does much before it answers a create: on two cores, fifty at once were answered after 45 to 90 seconds each, eight
 * at a time after 1 to 15, and the last server ran sooner. More of them only make answers late, or lost at a proxy.
 */
const CREATES_AT_ONCE = 8;

export class Compute {
  readonly #api: ApiClient;
  readonly #creates = new Gate(CREATES_AT_ONCE);
  #microversion: string | null = null;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Agrees with Nova upon a microversion. Called once, before all else. */
  async negotiate(signal: AbortSignal): Promise<void> {
    const endpoint = new URL(await this.#api.endpoint("compute", signal));
    // The version's own page is above the project's.
    const up = /\/v2(\.1)?\/[^/]+$/.test(endpoint.pathname) ? "/.." : "";
    const { body } = await this.#api.call({ service: "compute", method: "GET", path: `${up}/`, signal });
    const version = (body as { version?: { version?: string; max_version?: string } } | null)?.version;
    const minor = Number(/^2\.(\d+)$/.exec(version?.version ?? "")?.[1] ?? 1);
    const agreed = Math.min(minor, WANTED_MICROVERSION);
    this.#microversion = agreed > 1 ? `2.${agreed}` : null;
  }

  get microversion(): string {
    return this.#microversion ?? "2.1";
  }

  /** Whether a list has every server, also those of hosts that cannot be asked just now. */
  get listsEverything(): boolean {
    return Number(this.microversion.slice(2)) >= 69;
  }

  get #headers(): Record<string, string> {
    if (this.#microversion === null) return {};
    const value = this.#microversion;
    return { "openstack-api-version": `compute ${value}`, "x-openstack-nova-api-version": value };
  }

  async flavors(signal: AbortSignal): Promise<Flavor[]> {
    const call = { service: "compute", path: "/flavors/detail", signal } as const;
    const raw = await this.#api.list<RawFlavor>("flavors", call);
    return raw.map(({ id = "", name = "", vcpus = 0, ram = 0 }) => ({ id, name, cores: vcpus, ram }));
  }

  /** The names of the zones that take servers. */
  async zones(signal: AbortSignal): Promise<string[]> {
    const call = { service: "compute", method: "GET", path: "/os-availability-zone", signal } as const;
    const { body } = await this.#api.call(call);
    const zones = (body as { availabilityZoneInfo?: RawZone[] } | null)?.availabilityZoneInfo ?? [];
    const open = zones.filter(({ zoneState }) => zoneState?.available === true);
    return open.map(({ zoneName }) => zoneName ?? "").filter((name) => name !== "");
  }

  /** Every server of the project, whoever made it. */
  async servers(signal: AbortSignal): Promise<Server[]> {
    const call = { service: "compute", path: "/servers/detail", headers: this.#headers, signal } as const;
    return (await this.#api.list<RawServer>("servers", call)).map(readServer);
  }

  /** One server; null when there is none. */
  async server(id: string, signal: AbortSignal): Promise<Server | null> {
    const path = `/servers/${encodeURIComponent(id)}`;
    const call = { service: "compute", method: "GET", path, headers: this.#headers, signal } as const;
    try {
      const { body } = await this.#api.call(call);
      return readServer((body as { server: RawServer }).server);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** Asks for a server and returns its id; it is not there yet. Not repeated when the answer is lost. */
  async create(wish: ServerWish, signal: AbortSignal): Promise<string> {
    // Without a microversion networks may be left out, which means what it did when nodepool.yaml was made.
    const call = { service: "compute", method: "POST", path: "/servers", signal } as const;
    const body = { server: serverBody(wish) };
    const reply = await this.#creates.pass(() => this.#api.call({ ...call, body }), signal);
    const { id } = (reply.body as { server?: { id?: unknown } } | null)?.server ?? {};
    if (typeof id !== "string" || id === "") throw this.#api.unreadable(call);
    return id;
  }

  /** Asks for the end of a server. False when there is none. */
  async delete(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      const path = `/servers/${encodeURIComponent(id)}`;
      await this.#api.call({ service: "compute", method: "DELETE", path, signal });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async consoleLog(id: string, signal: AbortSignal): Promise<string | null> {
    const path = `/servers/${encodeURIComponent(id)}/action`;
    const ask = { "os-getConsoleOutput": {} };
    const call = { service: "compute", method: "POST", path, body: ask, isRepeatable: true, signal } as const;
    try {
      return ((await this.#api.call(call)).body as { output?: string | null } | null)?.output ?? null;
    } catch (error) {
      if (isNotFound(error)) return null;
      // Who may not read it now may not in a minute either; and 501 is the word of a hypervisor without consoles.
      if (error instanceof ApiError && (error.status === 403 || error.status === 501)) {
        throw new ProviderError(error.message, { retryable: false, cause: error });
      }
      throw error;
    }
  }

  async limits(signal: AbortSignal): Promise<Resources> {
    const { body } = await this.#api.call({ service: "compute", method: "GET", path: "/limits", signal });
    const absolute =
      (body as { limits?: { absolute?: Record<string, number> } } | null)?.limits?.absolute ?? {};
    return withoutUnlimited({
      instances: absolute.maxTotalInstances,
      cores: absolute.maxTotalCores,
      ram: absolute.maxTotalRAMSize,
    });
  }
}

/** OpenStack says -1 where there is no limit; the contract says nothing. */
export function withoutUnlimited(limits: Readonly<Record<string, number | undefined>>): Resources {
  const finite = Object.entries(limits).filter(([, value]) => value !== undefined && value >= 0);
  return Object.fromEntries(finite);
}

function serverBody(wish: ServerWish): Record<string, unknown> {
  const disk =
    wish.volumeSize === null
      ? { imageRef: wish.imageId }
      : {
          block_device_mapping_v2: [
            {
              boot_index: 0,
              source_type: "image",
              uuid: wish.imageId,
              destination_type: "volume",
              volume_size: wish.volumeSize,
              delete_on_termination: true,
            },
          ],
        };
  return {
    name: wish.name,
    flavorRef: wish.flavorId,
    ...disk,
    metadata: wish.metadata,
    ...(wish.networkIds === null ? {} : { networks: wish.networkIds.map((uuid) => ({ uuid })) }),
    ...(wish.securityGroups.length === 0
      ? {}
      : { security_groups: wish.securityGroups.map((name) => ({ name })) }),
    ...(wish.keyName === null ? {} : { key_name: wish.keyName }),
    ...(wish.az === null ? {} : { availability_zone: wish.az }),
    ...(wish.configDrive === undefined ? {} : { config_drive: wish.configDrive }),
    ...(wish.userData === null ? {} : { user_data: Buffer.from(wish.userData).toString("base64") }),
  };
}

interface RawFlavor {
  readonly id?: string;
  readonly name?: string;
  readonly original_name?: string;
  readonly vcpus?: number;
  readonly ram?: number;
}

interface RawZone {
  readonly zoneName?: string;
  readonly zoneState?: { readonly available?: boolean };
}

interface RawServer {
  readonly id: string;
  readonly name?: string;
  readonly status?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly addresses?: Readonly<
    Record<string, readonly { addr: string; version: number; "OS-EXT-IPS:type"?: string }[]>
  >;
  readonly accessIPv4?: string;
  readonly accessIPv6?: string;
  readonly hostId?: string;
  readonly fault?: { readonly message?: string };
  readonly flavor?: RawFlavor;
  readonly "OS-EXT-STS:task_state"?: string | null;
  readonly "OS-EXT-AZ:availability_zone"?: string | null;
  readonly "os-extended-volumes:volumes_attached"?: readonly unknown[];
}

function readServer(raw: RawServer): Server {
  const addresses = Object.entries(raw.addresses ?? {}).flatMap(([network, list]) =>
    list.map((each): ServerAddress => {
      const version = each.version === 6 ? 6 : 4;
      return { network, address: each.addr, version, isFloating: each["OS-EXT-IPS:type"] === "floating" };
    }),
  );
  const { id = "", original_name = "", name: flavorName = original_name, vcpus, ram } = raw.flavor ?? {};
  return {
    id: raw.id,
    name: raw.name ?? "",
    status: raw.status ?? "UNKNOWN",
    taskState: raw["OS-EXT-STS:task_state"] ?? null,
    fault: raw.fault?.message ?? null,
    metadata: raw.metadata ?? {},
    addresses,
    accessIpv4: raw.accessIPv4 || null,
    accessIpv6: raw.accessIPv6 || null,
    hostId: raw.hostId || null,
    az: raw["OS-EXT-AZ:availability_zone"] || null,
    flavor:
      vcpus === undefined && id === "" ? null : { id, name: flavorName, cores: vcpus ?? 0, ram: ram ?? 0 },
    volumes: raw["os-extended-volumes:volumes_attached"]?.length ?? 0,
  };
}
