// Neutron, as far as nodes need it.
import type { ApiClient } from "./api_client.ts";
import { isNotFound } from "./errors.ts";

export interface Network {
  readonly id: string;
  readonly name: string;
  /** Whether routers lead from it to the world outside: where floating addresses come from. */
  readonly isExternal: boolean;
}

export interface Port {
  readonly id: string;
  readonly name: string;
  /** As ACTIVE, DOWN. */
  readonly status: string;
  /** The server that it is of; empty for none. */
  readonly deviceId: string;
  /** As compute:nova. */
  readonly deviceOwner: string;
  readonly networkId: string;
  readonly ipv4: string | null;
}

export interface FloatingIp {
  readonly id: string;
  readonly address: string;
  /** Null while it is attached to nothing. */
  readonly portId: string | null;
  readonly description: string;
}

export class NetworkApi {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Every network that the project may see. */
  async networks(signal: AbortSignal): Promise<Network[]> {
    const raw = await this.#list<RawNetwork>("networks", {}, signal);
    return raw.map((one) => ({ id: one.id, name: one.name, isExternal: one["router:external"] === true }));
  }

  async portsOf(serverId: string, signal: AbortSignal): Promise<Port[]> {
    return (await this.#list<RawPort>("ports", { device_id: serverId }, signal)).map(readPort);
  }

  /** The project's own ports that are DOWN. */
  async downPorts(signal: AbortSignal): Promise<Port[]> {
    const query = { status: "DOWN", ...(await this.#ofProject(signal)) };
    return (await this.#list<RawPort>("ports", query, signal)).map(readPort);
  }

  async deletePort(id: string, signal: AbortSignal): Promise<void> {
    await this.#delete(`/ports/${encodeURIComponent(id)}`, signal);
  }

  /** The project's own floating addresses. */
  async floatingIps(signal: AbortSignal): Promise<FloatingIp[]> {
    const query = await this.#ofProject(signal);
    return (await this.#list<RawFloatingIp>("floatingips", query, signal)).map(readFloatingIp);
  }

  async floatingIpOf(portId: string, signal: AbortSignal): Promise<FloatingIp | null> {
    const [found] = await this.#list<RawFloatingIp>("floatingips", { port_id: portId }, signal);
    return found === undefined ? null : readFloatingIp(found);
  }

  /** Takes an address of the network and attaches it to the port, in one call. */
  async createFloatingIp(
    wish: { readonly networkId: string; readonly port: Port; readonly description: string },
    signal: AbortSignal,
  ): Promise<FloatingIp> {
    const { networkId, port, description } = wish;
    const floatingip = {
      floating_network_id: networkId,
      port_id: port.id,
      ...(port.ipv4 === null ? {} : { fixed_ip_address: port.ipv4 }),
      description,
    };
    const call = { service: "network", method: "POST", path: "/floatingips", signal } as const;
    const { body } = await this.#api.call({ ...call, body: { floatingip } });
    return readFloatingIp((body as { floatingip: RawFloatingIp }).floatingip);
  }

  async deleteFloatingIp(id: string, signal: AbortSignal): Promise<void> {
    await this.#delete(`/floatingips/${encodeURIComponent(id)}`, signal);
  }

  #list<T>(key: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<T[]> {
    return this.#api.list<T>(key, { service: "network", path: `/${key}`, query, signal });
  }

  async #delete(path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#api.call({ service: "network", method: "DELETE", path, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** An administrator sees the ports of all projects: those of others are none of our business. */
  async #ofProject(signal: AbortSignal): Promise<Record<string, string>> {
    const project = await this.#api.projectId(signal);
    return project === null ? {} : { project_id: project };
  }
}

interface RawNetwork {
  readonly id: string;
  readonly name: string;
  readonly "router:external"?: boolean;
}

interface RawPort {
  readonly id: string;
  readonly name?: string;
  readonly status?: string;
  readonly device_id?: string;
  readonly device_owner?: string;
  readonly network_id?: string;
  readonly fixed_ips?: readonly { readonly ip_address?: string }[];
}

interface RawFloatingIp {
  readonly id: string;
  readonly floating_ip_address?: string;
  readonly port_id?: string | null;
  readonly description?: string;
}

function readPort(raw: RawPort): Port {
  const addresses = (raw.fixed_ips ?? []).map(({ ip_address = "" }) => ip_address);
  return {
    id: raw.id,
    name: raw.name ?? "",
    status: raw.status ?? "",
    deviceId: raw.device_id ?? "",
    deviceOwner: raw.device_owner ?? "",
    networkId: raw.network_id ?? "",
    ipv4: addresses.find((address) => address.includes(".")) ?? null,
  };
}

function readFloatingIp(raw: RawFloatingIp): FloatingIp {
  return {
    id: raw.id,
    address: raw.floating_ip_address ?? "",
    portId: raw.port_id || null,
    description: raw.description ?? "",
  };
}
