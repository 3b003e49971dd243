// Launchers as processes on one ZooKeeper and one cloud that can be slow, and what each of them has in hand, as ZooKeeper shows it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  componentsPath,
  NODES,
  nodeLockPath,
  REQUEST_LOCKS,
  requestLockPath,
} from "../../lib/model/paths.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { type HostKeyServer, startHostKeyServer } from "../../lib/provider/fake/host_key_server.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import { until } from "./launcher.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { SlowCloud } from "./slow_cloud.ts";
import { startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";

const POOLS = componentsPath("pool");
const PATIENCE_MS = 240_000;
/** How long a launcher that is killed has its locks still. */
const SESSION_SECONDS = 6;

/** A launcher, and how it names itself in the tree. */
export interface FleetLauncher {
  readonly program: Program;
  readonly pool: string;
}

/** The requests and nodes that a launcher has locked. */
export interface InHand {
  readonly requests: readonly string[];
  readonly nodes: readonly string[];
}

export class ZuulFleet {
  readonly zookeeper: ZooKeeperServer;
  readonly cloud: SlowCloud;
  readonly launchers: FleetLauncher[] = [];
  readonly #cloudServer: CloudServer;
  readonly #session: Session;
  readonly #keys: HostKeyServer;
  readonly #folder: string;

  /**
   * Starts so many launchers.
   *
   * @param room how many nodes there may be
   */
  static async open(launchers: number, room: number): Promise<ZuulFleet> {
    // Its sessions last up to 20 ticks, and Zuul's has to outlive a busy machine's pauses.
    const zookeeper = await startZooKeeper({ tickTime: 2000 });
    const { host, port } = zookeeper;
    const options = { servers: [{ host, port }], sessionTimeoutMs: 40_000, logger: silentLogger };
    const session = connectSession({ ...options, chroot: "" });
    await session.connected();
    const cloud = new SlowCloud();
    const cloudServer = await serveCloud(cloud);
    const keys = await startHostKeyServer();
    cloud.sshPort = keys.port;
    const fleet = new ZuulFleet(zookeeper, session, cloud, cloudServer, keys);
    writeFileSync(fleet.#config, configuration(zookeeper, cloudServer.address, room));
    for (let count = 0; count < launchers; count += 1) await fleet.start();
    return fleet;
  }

  private constructor(
    zookeeper: ZooKeeperServer,
    session: Session,
    cloud: SlowCloud,
    cloudServer: CloudServer,
    keys: HostKeyServer,
  ) {
    this.zookeeper = zookeeper;
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#session = session;
    this.#keys = keys;
    this.#folder = mkdtempSync(join(tmpdir(), "nodepool-zuul-fleet-"));
  }

  get #config(): string {
    return join(this.#folder, "nodepool.yaml");
  }

  /** Starts one more, when all others are there; resolves when it serves. */
  async start(): Promise<FleetLauncher> {
    const words = ["-c", this.#config, "--listen", `127.0.0.1:${await freePort()}`];
    const known = new Set((await this.#pools()).keys());
    const program = startProgram("services/launcher/main.ts", words);
    try {
      await program.waitFor(/"serving"/, PATIENCE_MS);
    } catch (error) {
      await program.stop("SIGKILL");
      throw error;
    }
    const [pool, ...others] = [...(await this.#pools()).keys()].filter((id) => !known.has(id));
    if (pool === undefined || others.length > 0) throw new Error("a launcher registers one pool");
    const launcher = { program, pool };
    this.launchers.push(launcher);
    return launcher;
  }

  /** Kills a launcher, which has its locks until its session ends. */
  async kill(launcher: FleetLauncher): Promise<void> {
    this.launchers.splice(this.launchers.indexOf(launcher), 1);
    await launcher.program.stop("SIGKILL");
  }

  /** What a launcher has locked. */
  async inHand({ pool }: FleetLauncher): Promise<InHand> {
    const owner = (await this.#pools()).get(pool);
    const lockedAt = async (parent: string, rootOf: (id: string) => string) => {
      const found: string[] = [];
      for (const id of await this.#children(parent)) {
        const owners = await this.#owners(rootOf(id));
        if (owner !== undefined && owners.includes(owner)) found.push(id);
      }
      return found.sort();
    };
    return {
      requests: await lockedAt(REQUEST_LOCKS, requestLockPath),
      nodes: await lockedAt(NODES, nodeLockPath),
    };
  }

  /** The document of a node; null when it is gone. */
  async node(id: string): Promise<Readonly<Record<string, unknown>> | null> {
    return await this.#read(`${NODES}/${id}`);
  }

  /** The nodes that there are, by their ids. */
  async nodes(): Promise<string[]> {
    return (await this.#children(NODES)).toSorted();
  }

  /** Waits until this holds. */
  async until(what: string, check: () => Promise<boolean>): Promise<void> {
    await until(what, check, PATIENCE_MS);
  }

  /** The sessions of the pools that are registered, by the pools' ids. */
  async #pools(): Promise<ReadonlyMap<string, bigint>> {
    const pools = new Map<string, bigint>();
    for (const name of await this.#children(POOLS)) {
      const { data, stat } = await this.#session.get(`${POOLS}/${name}`);
      pools.set(JSON.parse(new TextDecoder().decode(data)).id, stat.ephemeralOwner);
    }
    return pools;
  }

  /** The sessions that hold a lock or wait for it. */
  async #owners(root: string): Promise<readonly bigint[]> {
    const owners: bigint[] = [];
    for (const contender of await this.#children(root)) {
      const stat = await this.#session.exists(`${root}/${contender}`);
      if (stat !== null) owners.push(stat.ephemeralOwner);
    }
    return owners;
  }

  async #read(path: string): Promise<Readonly<Record<string, unknown>> | null> {
    return await this.#session
      .get(path)
      .then(({ data }) => (data.length === 0 ? null : JSON.parse(new TextDecoder().decode(data))))
      .catch(nothing(null));
  }

  #children(path: string): Promise<readonly string[]> {
    return this.#session.children(path).catch(nothing([]));
  }

  async close(): Promise<void> {
    await Promise.all(this.launchers.map(({ program }) => program.stop("SIGTERM").catch(() => null)));
    await this.#session.close();
    await this.#cloudServer.close();
    await this.#keys.close();
    await this.zookeeper.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** For what is not there. */
function nothing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isZooKeeperError(error, "NO_NODE")) return value;
    throw error;
  };
}

function configuration({ host, port }: ZooKeeperServer, cloud: string, room: number): string {
  return `zookeeper-servers: [{host: ${host}, port: ${port}}]
zookeeper-timeout: ${SESSION_SECONDS}
labels: [{name: tiny}]
providers:
- name: cloud
  driver: fake
  cloud: ${cloud}
  boot-timeout: 600
  cloud-images: [{name: image}]
  pools:
  - name: main
    max-servers: ${room}
    labels: [{name: tiny, cloud-image: image}]
`;
}
