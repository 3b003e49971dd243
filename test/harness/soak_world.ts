// The world of the launcher soak: three launchers as processes of their own, each with its own way to a real ZooKeeper,
// a cloud that outlives them, a view of the tree, and a record of what happened and of what must not have.
import type { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { NodeRecord } from "../../lib/model/node.ts";
import { shareOf } from "../../lib/model/shared_node.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type Credentials, decodeHandshake } from "../../lib/zookeeper/handshake.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { putImage } from "./launcher.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { type SlowWire, startSlowWire } from "./slow_wire.ts";
import { configText, type SoakConfig } from "./soak_config.ts";
import { type SoakHosts, startHosts } from "./soak_hosts.ts";
import { wrongsIn } from "./soak_log.ts";
import { SoakRecord } from "./soak_record.ts";
import { SoakZooKeeper } from "./soak_zookeeper.ts";
import { TcpProxy } from "./tcp_proxy.ts";
import { machineOf, WatchedCloud } from "./watched_cloud.ts";

/** Of clients and of who looks on: longer than any outage. */
export const LONG_SESSION_MS = 40_000;
const PATIENCE_MS = 60_000;
/** How often a launcher looks through its providers; what looks wrong for half of it is. */
const CLEANUP_MS = 1500;
/** Lists that lag for longer would be believed. */
export const LONGEST_LIST_LAG_MS = 700;
/** How long a launcher may take to stop, in seconds. */
const GRACE = 10;
/** So many logs of launchers that have ended are kept. */
const OLD_LOGS = 30;
/** One launcher, whichever process it is at the time. */
export interface SoakLauncher {
  readonly number: number;
  readonly clients: Clients;
  /** Its ways to the servers of ZooKeeper. */
  readonly proxies: readonly TcpProxy[];
  readonly start: () => Program;
  /** Of the session that it had last; null before the first. */
  session: Credentials | null;
  program: Program;
  /** When it was started, by the clock of `performance`. */
  since: number;
  /** Null: it runs, and must not end. */
  trouble: string | null;
}

export class SoakWorld extends SoakRecord {
  readonly cloud = new WatchedCloud({ keepsRecord: false });
  readonly launchers: SoakLauncher[] = [];
  readonly hosts: SoakHosts;
  /** Ids of nodes that an operator has deleted or held. */
  readonly touched = new Set<string>();
  /** By the id of a node that has a share, the node that it is on. */
  readonly #backing = new Map<string, string>();
  /** Logs of launchers that have ended. */
  readonly oldLogs: string[] = [];
  readonly zooKeeper: SoakZooKeeper;
  readonly session: Session;
  readonly view: View;
  config: SoakConfig;
  readonly #folder: string;
  readonly #wires: SlowWire[] = [];
  #cloudServer: CloudServer | undefined;

  /** @param servers how many servers ZooKeeper has */
  static async open(config: SoakConfig, servers = 1): Promise<SoakWorld> {
    const zooKeeper = await SoakZooKeeper.open(servers, LONG_SESSION_MS);
    const folder = await mkdtemp(join(tmpdir(), "nodepool-soak-"));
    const world = new SoakWorld(zooKeeper, folder, config, await startHosts());
    await world.session.connected();
    await world.session.ensurePath("/nodepool");
    await putImage(world.session, ["alpha", "beta"]);
    world.#cloudServer = await serveCloud(world.cloud);
    await Promise.all([1, 2, 3].map((number) => world.#add(number)));
    await world.view.ready();
    return world;
  }

  private constructor(zooKeeper: SoakZooKeeper, folder: string, config: SoakConfig, hosts: SoakHosts) {
    super();
    this.hosts = hosts;
    this.zooKeeper = zooKeeper;
    this.#folder = folder;
    this.config = config;
    this.cloud.onWrong = (what) => this.wrong(what);
    process.on("exit", this.#killAll);
    this.session = this.newSession();
    this.view = openView(this.session, silentLogger);
    this.view.subscribe(({ kind, id }) => {
      const record = kind === "node" ? this.view.node(id)?.record : null;
      const share = record ? shareOf(record) : null;
      if (share !== null) this.#backing.set(id, share.backingNode);
    });
  }

  /** What somebody works on who has this node. */
  machine(id: string, record: NodeRecord): string {
    const { connectionPort, slot } = record;
    const backing = shareOf(record)?.backingNode ?? null;
    return machineOf({ id, externalId: String(record.externalId), connectionPort, slot, backing });
  }

  /** Whether an operator has deleted or held a node, or deleted the one that it is on. */
  isTouched(id: string): boolean {
    return this.touched.has(id) || this.cloud.doomed.has(`node ${this.#backing.get(id)}`);
  }

  /** A client's session of its own. */
  newSession(): ZooKeeperSession {
    const { servers } = this.zooKeeper;
    return connectSession({ servers, sessionTimeoutMs: LONG_SESSION_MS, logger: silentLogger });
  }

  async #add(number: number): Promise<void> {
    // One of them hears of what others do late and piece by piece.
    const wires =
      number === 2 ? await Promise.all(this.zooKeeper.servers.map((one) => startSlowWire(one))) : [];
    this.#wires.push(...wires);
    const proxies = this.zooKeeper.servers.map((server, index) => new TcpProxy(wires[index] ?? server));
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    const address = `127.0.0.1:${await freePort()}`;
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    await this.#write(number, proxies);
    const start = () => {
      const words = ["-c", this.#file(number), "--listen", address, "--grace", String(GRACE)];
      const env = { NODEPOOL_TEST_CLEANUP_MS: String(CLEANUP_MS) };
      return startProgram("test/harness/crashing_launcher.ts", words, env);
    };
    const launcher: SoakLauncher = {
      number,
      clients,
      proxies,
      start,
      session: null,
      program: start(),
      since: performance.now(),
      trouble: null,
    };
    for (const proxy of proxies) {
      proxy.onGreeting = (bytes) => {
        launcher.session = sessionIn(bytes) ?? launcher.session;
      };
    }
    this.launchers.push(launcher);
    this.#guard(launcher);
    await launcher.program.waitFor(/launcher started/, PATIENCE_MS);
  }

  #killAll = () => {
    for (const { program } of this.launchers) {
      try {
        process.kill(program.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  };

  /** Starts a launcher that was ended. */
  restart(launcher: SoakLauncher): void {
    this.oldLogs.push(launcher.program.output());
    if (this.oldLogs.length > OLD_LOGS) this.oldLogs.shift();
    this.#lookThroughLog(launcher);
    launcher.program = launcher.start();
    launcher.since = performance.now();
    // Until its program has begun, a signal ends it at once.
    launcher.trouble = "starting";
    this.#guard(launcher);
    const begun = () => {
      launcher.trouble = null;
    };
    launcher.program.waitFor(/nodepool-launcher/).then(begun, () => {});
  }

  /** Ends a launcher in order; it has to end with 0, in time. */
  async stop(launcher: SoakLauncher): Promise<void> {
    launcher.trouble = "stopping";
    const code = await launcher.program.stop("SIGTERM", (GRACE + 8) * 1000).catch(() => "not in time");
    if (code !== 0) this.wrong(`launcher ${launcher.number} stopped with ${code}`);
  }

  /** Sends a signal to a launcher's process. */
  signal(launcher: SoakLauncher, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    launcher.trouble = signal === "SIGCONT" ? null : signal;
    process.kill(launcher.program.pid, signal);
  }

  #guard(launcher: SoakLauncher): void {
    const { program } = launcher;
    const ended = (code: number | null) => {
      const isExpected = launcher.trouble !== null && launcher.trouble !== "starting";
      if (isExpected || launcher.program !== program) return;
      this.wrong(`launcher ${launcher.number} ended by itself (${code}): ${program.output().slice(-2000)}`);
    };
    program.ended(2_000_000_000).then(ended, () => {});
  }

  #lookThroughLog({ number, program, since }: SoakLauncher): void {
    for (const wrong of wrongsIn(program.output(), (performance.now() - since) / 1000)) {
      this.wrong(`launcher ${number} ${wrong}`);
    }
  }

  /** Gives launchers another configuration. */
  async configure(config: SoakConfig, which: readonly SoakLauncher[] = this.launchers): Promise<void> {
    this.config = config;
    for (const { number, proxies } of which) await this.#write(number, proxies);
  }

  #file = (number: number) => join(this.#folder, `launcher${number}`, "nodepool.yaml");

  async #write(number: number, zooKeeper: readonly TcpProxy[]): Promise<void> {
    const file = this.#file(number);
    await mkdir(dirname(file), { recursive: true });
    // As one step, for a launcher may start at this moment; two changes may meet.
    const next = `${file}.${randomUUID()}`;
    const cloud = this.#cloudServer?.address ?? "";
    await writeFile(next, configText(this.config, { zooKeeper, cloud, hosts: this.hosts }));
    await rename(next, file);
  }

  /** A request that waits for too long, with what each launcher says about it. */
  async stuck(request: string, what: string): Promise<void> {
    const asked = this.launchers.map(async ({ number, clients }) => {
      const { summary, pools } = await clients.requests.explain({ name: `nodeRequests/${request}` });
      const said = pools.map(({ provider, pool, reason }) => `${provider}/${pool}: ${reason}`);
      return `launcher ${number}: ${summary} ${said.join("; ")}`;
    });
    const answers = (await Promise.allSettled(asked)).map((answer) =>
      answer.status === "fulfilled" ? answer.value : messageOf(answer.reason),
    );
    const { record, lock } = this.view.request(request) ?? {};
    const nodes = Array.from(this.view.nodes(), ({ id, record: node, lock: { contenders } }) =>
      [id, node?.state, `${node?.provider}/${node?.pool}`, node?.allocatedTo, contenders].join(" "),
    );
    const state = [JSON.stringify({ ...record, lock }), ...answers, ...nodes].join("\n  ");
    this.wrong(`${request}: ${what}\n  ${state}`);
  }

  /** Every call to the cloud that has no answer fails. */
  cutCloud(): void {
    this.#cloudServer?.cut();
  }

  async close(): Promise<void> {
    for (const launcher of this.launchers) this.#lookThroughLog(launcher);
    this.closeRecord();
    process.removeListener("exit", this.#killAll);
    for (const { clients } of this.launchers) clients.close();
    await Promise.all(this.launchers.map(({ program }) => program.stop("SIGKILL").catch(() => {})));
    await this.view.close();
    await this.session.close();
    await Promise.all([
      ...this.launchers.flatMap(({ proxies }) => proxies.map((proxy) => proxy.close())),
      ...this.#wires.map((wire) => wire.close()),
    ]);
    await this.#cloudServer?.close();
    for (const host of this.hosts.values()) await host.stop();
    await this.zooKeeper.close();
    await rm(this.#folder, { recursive: true });
  }
}

/** The session that a server's first frame on a connection opens or goes on with; null where it has ended. */
function sessionIn(bytes: Buffer): Credentials | null {
  const { timeoutMs, ...credentials } = decodeHandshake(bytes.subarray(4, 4 + bytes.readInt32BE(0)));
  return timeoutMs > 0 ? credentials : null;
}
