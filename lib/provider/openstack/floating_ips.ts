// Floating addresses of nodes: one is made for a server that cannot be reached otherwise, and goes with it.
import type { Cloud } from "../../config/clouds/cloud.ts";
import { SharedCall } from "../../std/shared_call.ts";
import { METADATA, type Metadata, ProviderError, QuotaError } from "../contract.ts";
import { ApiError, isNotFound, isQuotaMessage, mayHaveWorked } from "./errors.ts";
import type { FloatingIp, Network, NetworkApi, Port } from "./network.ts";

/** What a floating address of ours says of itself: whose it is, whichever becomes of its server. */
export function describeFloatingIp(serverId: string, metadata: Metadata): string {
  const words = { provider: metadata[METADATA.provider], node: metadata[METADATA.node], server: serverId };
  return `nodepool ${JSON.stringify(words)}`;
}

/** What a description says, if it is one of ours. */
export function readDescription(
  description: string,
): { readonly provider: string; readonly node: string; readonly server: string } | null {
  if (!description.startsWith("nodepool {")) return null;
  try {
    const words: unknown = JSON.parse(description.slice("nodepool ".length));
    const { provider, node, server } = words as Record<string, unknown>;
    if (typeof provider !== "string" || typeof node !== "string" || typeof server !== "string") return null;
    return { provider, node, server };
  } catch {
    return null;
  }
}

export class FloatingIps {
  readonly #cloud: Cloud;
  readonly #api: NetworkApi;
  /** One list serves all servers that are deleted at a time: with a list of its own for each, they wait for each other's. */
  readonly #all: SharedCall<FloatingIp[]>;

  /** @param closing aborted when the provider is stopped */
  constructor(cloud: Cloud, api: NetworkApi, closing: AbortSignal) {
    this.#cloud = cloud;
    this.#api = api;
    this.#all = new SharedCall(() => api.floatingIps(closing));
  }

  /** The network that they come from; null where there are none. */
  source(networks: readonly Network[]): Network | null {
    if (!this.#cloud.floatingIps || this.#cloud.isPrivate) return null;
    const hint = this.#cloud.networks.find(({ natSource }) => natSource);
    if (hint !== undefined) {
      return networks.find(({ id, name }) => id === hint.name || name === hint.name) ?? null;
    }
    return networks.find(({ isExternal }) => isExternal) ?? null;
  }

  /**
   * Makes one and attaches it to the server; repeated, it finds the one that is there. Null when the server has no port
   * that one could be attached to. Of several ports, one may be of a network without a router: the next is tried.
   *
   * @throws {QuotaError} {@link ProviderError}
   */
  async attach(
    server: { readonly id: string; readonly metadata: Metadata },
    networks: readonly Network[],
    signal: AbortSignal,
  ): Promise<FloatingIp | null> {
    const source = this.source(networks);
    if (source === null) return null;
    const ports = this.#usablePorts(await this.#api.portsOf(server.id, signal), networks);
    for (const port of ports) {
      const found = await this.#api.floatingIpOf(port.id, signal);
      if (found !== null) return found;
    }
    const description = describeFloatingIp(server.id, server.metadata);
    for (const port of ports) {
      try {
        return await this.#api.createFloatingIp({ networkId: source.id, port, description }, signal);
      } catch (error) {
        const made = mayHaveWorked(error) ? await this.#api.floatingIpOf(port.id, signal) : null;
        if (made !== null) return made;
        if (!isNotFound(error) || port === ports.at(-1)) throw asFloatingIpError(error);
      }
    }
    return null;
  }

  /**
   * Deletes those that were made for a server. Nova's word alone is not enough for one that does not say whose it is: of a
   * server on a host that is down it is old, and the address may be another server's by now.
   *
   * @param addresses floating addresses that Nova has seen at it
   */
  async removeFrom(serverId: string, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const all = await this.#all.fresh(signal);
    const seen = all.filter(
      ({ address, description }) => addresses.includes(address) && readDescription(description) === null,
    );
    // Most say whose they are: then no ports need be asked for.
    const ports = seen.length === 0 ? [] : await this.#api.portsOf(serverId, signal);
    const attached = seen.filter(({ portId }) => ports.some(({ id }) => id === portId));
    const made = all.filter(({ description }) => readDescription(description)?.server === serverId);
    for (const { id } of [...attached, ...made]) await this.#api.deleteFloatingIp(id, signal);
  }

  /** Ports with an IPv4 address, that of the network of `nat_destination` first. */
  #usablePorts(ports: readonly Port[], networks: readonly Network[]): readonly Port[] {
    const hint = this.#cloud.networks.find(({ natDestination }) => natDestination);
    const wanted = networks.find(({ id, name }) => id === hint?.name || name === hint?.name);
    const usable = ports.filter(({ ipv4 }) => ipv4 !== null);
    const isWanted = ({ networkId }: Port) => networkId === wanted?.id;
    return [...usable.filter(isWanted), ...usable.filter((port) => !isWanted(port))];
  }
}

function asFloatingIpError(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const isFull =
    error.status === 409 && (isQuotaMessage(error.reply) || /no more ip addresses/i.test(error.reply));
  if (isFull) return new QuotaError(error.message, { cause: error });
  if (!isNotFound(error) && error.status !== 400) return error;
  const remedy =
    "is there a router between its network and the external one? Else set auto-floating-ip: false";
  return new ProviderError(`${error.message}; ${remedy}`, { retryable: error.retryable, cause: error });
}
