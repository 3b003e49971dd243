// The SSH servers of the nodes that this process runs.
import type { Clock } from "../../../std/clock.ts";
import { codeOf, messageOf } from "../../../std/errors.ts";
import type { Logger } from "../../../std/logger.ts";
import { TaskGroup } from "../../../std/task_group.ts";
import { readHostKeys, rootOf } from "./node_files.ts";
import type { InstanceRecord, Records } from "./records.ts";
import type { CommandRunner } from "./runner.ts";
import { type SshServer, startSshServer } from "./ssh_server.ts";

const LISTEN_AGAIN_MS = 1000;

/** What servers are made of. */
export interface NodeServersOptions {
  readonly runner: CommandRunner;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A server for each node, by the node's name. */
export class NodeServers {
  readonly #instances: Records<InstanceRecord>;
  readonly #options: NodeServersOptions;
  readonly #servers = new Map<string, SshServer>();
  readonly #faults = new Map<string, string>();
  readonly #tasks: TaskGroup;

  constructor(instances: Records<InstanceRecord>, options: NodeServersOptions) {
    this.#instances = instances;
    this.#options = options;
    this.#tasks = new TaskGroup((error, name) => options.logger.warn(name, { error: messageOf(error) }));
  }

  /** Whether a node is served. */
  has(name: string): boolean {
    return this.#servers.has(name);
  }

  /** Why a node that should be served is not. */
  faultOf(name: string): string | undefined {
    return this.#faults.get(name);
  }

  /**
   * Listens for a node on a port of loopback, 0 for any, and resolves with the port. A server that the node has ends.
   * @throws {Error} with code EADDRINUSE when the port is taken
   */
  async open(name: string, port: number): Promise<number> {
    const { runner, logger, clock } = this.#options;
    const directory = this.#instances.path(name);
    const server = await startSshServer({
      node: { name, root: rootOf(directory) },
      hostKeys: await readHostKeys(directory),
      port,
      runner,
      clock,
      logger: logger.child({ instance: name }),
    });
    const predecessor = this.#servers.get(name);
    this.#servers.set(name, server);
    this.#faults.delete(name);
    await predecessor?.close();
    return server.port;
  }

  /** Listens again for a node of an earlier process; a port that is taken is waited for in the background. */
  async resume(name: string, port: number): Promise<void> {
    if (await this.#tryAgain(name, port)) return;
    this.#options.logger.warn("instance waits for its port", { instance: name, port });
    this.#tasks.start("instance could not be resumed", async (signal) => {
      // A node that was made anew has another port: it is served, or will be.
      do await this.#options.clock.sleep(LISTEN_AGAIN_MS, signal);
      while ((await this.#instances.read(name))?.port === port && !(await this.#tryAgain(name, port)));
    });
  }

  /** Ends a node's server with everything that runs in the node. */
  async close(name: string): Promise<void> {
    const server = this.#servers.get(name);
    this.#servers.delete(name);
    this.#faults.delete(name);
    await server?.close();
  }

  /** Ends every server. */
  async closeAll(): Promise<void> {
    await this.#tasks.close();
    await Promise.all([...this.#servers.keys()].map((name) => this.close(name)));
  }

  /** Whether there is nothing left to try: it listens, or it never will. */
  async #tryAgain(name: string, port: number): Promise<boolean> {
    try {
      await this.open(name, port);
      return true;
    } catch (error) {
      const isTaken = codeOf(error) === "EADDRINUSE";
      this.#faults.set(name, isTaken ? `its port ${port} is in use by another process` : messageOf(error));
      return !isTaken;
    }
  }
}
