// What stays behind in a cloud when launches and deletions break off: ports, floating addresses, volumes.
import type { Clock } from "../../std/clock.ts";
import { type Leftover, METADATA } from "../contract.ts";
import { readDescription } from "./floating_ips.ts";
import type { NetworkApi } from "./network.ts";
import type { ServerList } from "./server_list.ts";
import type { VolumeApi } from "./volume.ts";

/** What looking for leftovers needs. */
export interface LeftoverTools {
  readonly provider: string;
  readonly network: NetworkApi;
  /** Null when no node boots from a volume. */
  readonly volume: VolumeApi | null;
  readonly servers: ServerList;
  readonly clock: Clock;
  /** Seconds that a port must have been DOWN; 0: ports are left alone. */
  readonly portCleanupInterval: number;
  /** Whether addresses go that are nobody's, and not only our own. */
  readonly cleanFloatingIps: boolean;
}

export class Leftovers {
  readonly #tools: LeftoverTools;
  /** When a port was first seen DOWN. */
  #down = new Map<string, number>();

  constructor(tools: LeftoverTools) {
    this.#tools = tools;
  }

  async list(signal: AbortSignal): Promise<Leftover[]> {
    return [
      ...(await this.#floatingIps(signal)),
      ...(await this.#ports(signal)),
      ...(await this.#volumes(signal)),
    ];
  }

  async remove({ kind, externalId }: Leftover, signal: AbortSignal): Promise<void> {
    const { network, volume } = this.#tools;
    if (kind === "port") await network.deletePort(externalId, signal);
    else if (kind === "floating ip") await network.deleteFloatingIp(externalId, signal);
    else if (kind === "volume") await volume?.delete(externalId, signal);
  }

  async #floatingIps(signal: AbortSignal): Promise<Leftover[]> {
    const { network, provider, cleanFloatingIps } = this.#tools;
    return (await network.floatingIps(signal)).flatMap((floatingIp): Leftover[] => {
      if (floatingIp.portId !== null) return [];
      const words = readDescription(floatingIp.description);
      const isOurs = words?.provider === provider;
      if (!isOurs && !(cleanFloatingIps && words === null)) return [];
      const node = isOurs ? words.node : null;
      const metadata = isOurs ? { [METADATA.provider]: provider, [METADATA.node]: words.node } : {};
      return [{ kind: "floating ip", externalId: floatingIp.id, name: floatingIp.address, node, metadata }];
    });
  }

  /** Ports that Nova has made and that are of no server any more. */
  async #ports(signal: AbortSignal): Promise<Leftover[]> {
    const { clock, network, portCleanupInterval, servers } = this.#tools;
    if (portCleanupInterval === 0) return [];
    const ports = (await network.downPorts(signal)).filter(({ deviceOwner }) =>
      deviceOwner.startsWith("compute:"),
    );
    if (ports.length === 0) {
      this.#down.clear();
      return [];
    }
    // The servers are listed after the ports: a port of a server that is just being made is not taken for a leak.
    const there = await servers.fresh(signal);
    const stray = ports.filter(({ deviceId }) => !there.has(deviceId));
    const now = clock.now();
    this.#down = new Map(stray.map(({ id }) => [id, this.#down.get(id) ?? now]));
    return stray
      .filter(({ id }) => now - (this.#down.get(id) ?? now) >= portCleanupInterval * 1000)
      .map(({ id, name }) => ({ kind: "port", externalId: id, name, node: null, metadata: {} }));
  }

  /** Volumes as Nova makes them to boot from, of images that we have uploaded, which nothing uses. */
  async #volumes(signal: AbortSignal): Promise<Leftover[]> {
    const { provider, volume } = this.#tools;
    if (volume === null) return [];
    return (await volume.volumes(signal))
      .filter(
        ({ name, description, status, isAttached, imageProperties }) =>
          name === "" &&
          description === "" &&
          !isAttached &&
          (status === "available" || status === "error") &&
          imageProperties[METADATA.provider] === provider,
      )
      .map(({ id }) => ({
        kind: "volume",
        externalId: id,
        name: "",
        node: null,
        metadata: { [METADATA.provider]: provider },
      }));
  }
}
