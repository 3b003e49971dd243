// Launchers as processes on one tree and one cloud, behind one address, that are stopped and started in turn.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { type Http2Proxy, type ProxyName, startHttp2Proxy } from "./http2_proxy.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";

const PATIENCE_MS = 60_000;
/** How long a launcher may take to stop, in seconds. */
export const GRACE = 12;

interface Parts {
  readonly folder: string;
  readonly coordination: EmbeddedServer;
  readonly cloudServer: CloudServer;
  readonly proxy: Http2Proxy;
  /** Of the launchers. */
  readonly addresses: readonly string[];
}

export class RollingFleet {
  readonly cloud: FakeCloud;
  /** Through the proxy. */
  readonly clients: Clients;
  readonly #parts: Parts;
  readonly #launchers = new Map<string, Program>();
  #closeCoordination: (() => Promise<void>) | null;

  /**
   * Starts three launchers behind this proxy.
   *
   * @param sessionSeconds the timeout of their sessions: a launcher that is killed has its locks for so long
   */
  static async open(proxyName: ProxyName, sessionSeconds = 4): Promise<RollingFleet> {
    const folder = mkdtempSync(join(tmpdir(), "nodepool-rolling-"));
    const dataDir = join(folder, "coordination");
    const coordination = await startEmbeddedServer({ dataDir, port: 0, logger: silentLogger });
    const cloud = new FakeCloud();
    const cloudServer = await serveCloud(cloud);
    const config = fleetConfig(coordination.port, cloudServer.address, sessionSeconds);
    writeFileSync(join(folder, "nodepool.yaml"), config);
    const address = async () => `127.0.0.1:${await freePort()}`;
    const addresses = [await address(), await address(), await address()] as const;
    mkdirSync(join(folder, "proxy"));
    const proxy = await startHttp2Proxy(proxyName, join(folder, "proxy"), addresses);
    const fleet = new RollingFleet(cloud, { folder, coordination, cloudServer, proxy, addresses });
    await Promise.all(addresses.map((one) => fleet.start(one).waitFor(/"serving"/, PATIENCE_MS)));
    return fleet;
  }

  private constructor(cloud: FakeCloud, parts: Parts) {
    const { address } = parts.proxy;
    this.cloud = cloud;
    this.clients = connectClients({ launcherAddress: address, builderAddress: address });
    this.#parts = parts;
    this.#closeCoordination = parts.coordination.close;
  }

  /** The launchers' own addresses. */
  get addresses(): readonly string[] {
    return this.#parts.addresses;
  }

  /** The proxy's. */
  get address(): string {
    return this.#parts.proxy.address;
  }

  /** Starts the launcher of this address. */
  start(address: string): Program {
    const file = join(this.#parts.folder, "nodepool.yaml");
    const words = ["-c", file, "--listen", address, "--grace", `${GRACE}`];
    const launcher = startProgram("services/launcher/main.ts", words);
    this.#launchers.set(address, launcher);
    return launcher;
  }

  /** Ends the coordination server for good. */
  async loseCoordination(): Promise<void> {
    const close = this.#closeCoordination;
    this.#closeCoordination = null;
    await close?.();
  }

  launcher(address: string): Program {
    const launcher = this.#launchers.get(address);
    if (launcher === undefined) throw new Error(`no launcher was started at ${address}`);
    return launcher;
  }

  /** Stops each launcher by this signal and starts it again; the exit codes. */
  async roll(signal: "SIGTERM" | "SIGINT"): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const address of this.addresses) {
      // One that needs longer than its grace is ended by force, with another code.
      codes.push(await this.launcher(address).stop(signal, PATIENCE_MS));
      await this.start(address).waitFor(/"serving"/, PATIENCE_MS);
    }
    return codes;
  }

  async close(): Promise<void> {
    const { folder, cloudServer, proxy } = this.#parts;
    this.clients.close();
    await proxy.program.stop("SIGTERM").catch(() => null);
    for (const launcher of this.#launchers.values()) await launcher.stop("SIGKILL").catch(() => null);
    await cloudServer.close();
    await this.loseCoordination();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The nodepool.yaml of launchers that share a ZooKeeper at a port, and a fake cloud at an address. */
export function fleetConfig(port: number, cloud: string, sessionSeconds = 4): string {
  return `zookeeper-servers: [{host: 127.0.0.1, port: ${port}}]
zookeeper-timeout: ${sessionSeconds}
labels: [{name: tiny}]
providers:
- name: cloud
  driver: fake
  cloud: ${cloud}
  cloud-images: [{name: image}]
  pools:
  - name: main
    host-key-checking: false
    labels: [{name: tiny, cloud-image: image}]
`;
}
