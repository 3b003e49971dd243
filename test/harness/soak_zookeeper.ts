// The ZooKeeper of a soak: one server or an ensemble, and what strikes it.
import type { Credentials } from "../../lib/zookeeper/handshake.ts";
import type { Random } from "../simulation/random.ts";
import { findLeader, lastZxid, startEnsemble, startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";

/** A server that is away is called again after so many milliseconds. */
const RETRY_MS = 100;
/** Longer than any pause between repeated work. */
const QUIET_MS = 1500;
/** Sessions that were lost end within this many of them, with a transaction each. */
const WINDOWS = 3;

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

export class SoakZooKeeper {
  readonly servers: readonly ZooKeeperServer[];

  static async open(count: number, longestSessionMs: number): Promise<SoakZooKeeper> {
    const options = { longestSessionMs };
    return new SoakZooKeeper(
      count === 1 ? [await startZooKeeper(options)] : await startEnsemble(count, options),
    );
  }

  private constructor(servers: readonly ZooKeeperServer[]) {
    this.servers = servers;
  }

  /** Some of the servers, and what they are: any one, the leader, or so many that the others do not suffice. */
  choose(random: Random): {
    readonly what: string;
    readonly find: () => Promise<readonly ZooKeeperServer[]>;
  } {
    const { servers } = this;
    if (servers.length === 1) return { what: "ZooKeeper", find: async () => servers };
    const first = random.below(servers.length);
    const some = (count: number) => async () => [...servers, ...servers].slice(first, first + count);
    return random.pick([
      { what: "one server of ZooKeeper", find: some(1) },
      { what: "the leader of ZooKeeper", find: () => this.#leader() },
      { what: "most of ZooKeeper", find: some(Math.ceil(servers.length / 2)) },
    ]);
  }

  async #leader(): Promise<readonly ZooKeeperServer[]> {
    const leader = await findLeader(this.servers);
    return leader === undefined ? [] : [leader];
  }

  /** Ends a session, as soon as that can be, while its client is well. */
  async expire(credentials: Credentials): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.servers[attempt % this.servers.length]?.expire({ credentials });
      } catch {
        await pause(RETRY_MS);
      }
    }
  }

  /**
   * How many transactions it carries out in one while after another, until there is one without any. Its leader stays the
   * same meanwhile.
   */
  async writtenUntilQuiet(): Promise<readonly bigint[]> {
    const [{ port } = { port: 0 }] = this.servers;
    const written: bigint[] = [];
    while (written.at(-1) !== 0n && written.length < WINDOWS) {
      const before = await lastZxid(port);
      await pause(QUIET_MS);
      written.push((await lastZxid(port)) - before);
    }
    return written;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }
}
