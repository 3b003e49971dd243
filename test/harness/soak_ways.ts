// The ways of a soak's daemon to the servers of ZooKeeper: they can be cut off, and tell which session the daemon has.
import type { Buffer } from "node:buffer";
import { type Credentials, decodeHandshake } from "../../lib/zookeeper/handshake.ts";
import { type SlowWire, startSlowWire } from "./slow_wire.ts";
import { type ProxyMode, TcpProxy } from "./tcp_proxy.ts";

interface Address {
  readonly host: string;
  readonly port: number;
}

export class SoakWays {
  /** What the daemon takes for the servers. */
  readonly servers: readonly Address[];
  readonly #proxies: readonly TcpProxy[];
  readonly #wires: readonly SlowWire[];
  #session: Credentials | null = null;

  /** @param isSlow whether the daemon is to hear of what others do late and piece by piece */
  static async open(servers: readonly Address[], isSlow: boolean): Promise<SoakWays> {
    const wires = isSlow ? await Promise.all(servers.map((server) => startSlowWire(server))) : [];
    const proxies = servers.map((server, index) => new TcpProxy(wires[index] ?? server));
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    return new SoakWays(proxies, wires);
  }

  private constructor(proxies: readonly TcpProxy[], wires: readonly SlowWire[]) {
    this.servers = proxies;
    this.#proxies = proxies;
    this.#wires = wires;
    for (const proxy of proxies) {
      proxy.onGreeting = (bytes) => {
        this.#session = sessionIn(bytes) ?? this.#session;
      };
    }
  }

  /** The session that the daemon had last; null before the first. */
  get session(): Credentials | null {
    return this.#session;
  }

  /** From now on, on all ways. */
  set mode(mode: ProxyMode) {
    for (const proxy of this.#proxies) proxy.mode = mode;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies, ...this.#wires].map((each) => each.close()));
  }
}

/** The session that a server's first frame on a connection opens or goes on with; null where it has ended. */
function sessionIn(bytes: Buffer): Credentials | null {
  const { timeoutMs, ...credentials } = decodeHandshake(bytes.subarray(4, 4 + bytes.readInt32BE(0)));
  return timeoutMs > 0 ? credentials : null;
}
