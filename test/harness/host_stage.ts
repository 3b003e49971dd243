// Where tests of static hosts play: a ZooKeeper, an SSH server with one key, and a case at a time.
import { type HostSettings, hostsConfig } from "./hosts.ts";
import type { TestLauncher } from "./launcher.ts";
import { LauncherCase } from "./launcher_case.ts";
import { type ServerKey, type SshServer, SshServers } from "./sshd.ts";
import { startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";

export class HostStage {
  readonly server: ZooKeeperServer;
  readonly servers: SshServers;
  readonly key: ServerKey;
  readonly sshd: SshServer;
  #case: LauncherCase | null = null;

  static async open(): Promise<HostStage> {
    const server = await startZooKeeper();
    const servers = await SshServers.open();
    const key = await servers.key();
    return new HostStage(server, servers, key, await servers.start([key]));
  }

  private constructor(server: ZooKeeperServer, servers: SshServers, key: ServerKey, sshd: SshServer) {
    this.server = server;
    this.servers = servers;
    this.key = key;
    this.sshd = sshd;
  }

  /** The case that {@link begin} has begun. */
  get one(): LauncherCase {
    if (this.#case === null) throw new Error("no case has begun");
    return this.#case;
  }

  /** Begins a case with a launcher that serves these hosts. */
  async begin(hosts: readonly HostSettings[], pool: object = {}): Promise<TestLauncher> {
    this.#case = await LauncherCase.begin(this.server);
    return await this.#case.launcher(hostsConfig(hosts, pool));
  }

  async end(): Promise<void> {
    await this.#case?.end();
    this.#case = null;
  }

  /** A host at the stage's SSH server, with its key in the configuration. */
  host(more: Partial<HostSettings> = {}): HostSettings {
    return { labels: ["small"], "connection-port": this.sshd.port, "host-key": this.key.line, ...more };
  }

  /** Its identity. */
  at(user = "zuul", port = this.sshd.port): string {
    return `${user}@127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    await this.servers.close();
    await this.server.close();
  }
}
