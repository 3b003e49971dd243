// The daemons of a soak: processes of their own, each with its own ways to a real ZooKeeper and its own configuration
// file; a view of the tree, and a record of what happened and of what must not have.
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";
import { wrongsIn } from "./soak_log.ts";
import { SoakRecord } from "./soak_record.ts";
import { SoakWays } from "./soak_ways.ts";
import { SoakZooKeeper } from "./soak_zookeeper.ts";

/** Of the daemons. */
export const SESSION_TIMEOUT_MS = 2000;
/** Of clients and of who looks on: longer than any outage. */
export const LONG_SESSION_MS = 40_000;
const PATIENCE_MS = 60_000;
/** How long a daemon may take to stop, in seconds. */
const GRACE = 10;
/** So many logs of daemons that have ended are kept. */
const OLD_LOGS = 30;

/** One daemon, whichever process it is at the time. */
export interface SoakDaemon {
  readonly number: number;
  readonly clients: Clients;
  readonly ways: SoakWays;
  readonly start: () => Program;
  program: Program;
  /** When it was started, by the clock of `performance`. */
  since: number;
  /** Null: it runs, and must not end. */
  trouble: string | null;
}

/** What a daemon takes for ZooKeeper. */
export type Servers = SoakWays["servers"];

/** What a fleet is made of. */
export interface FleetPlan {
  readonly kind: "launcher" | "builder";
  /** The program's file. */
  readonly file: string;
  /** The environment of the daemon of this number. */
  readonly env: (number: number) => Record<string, string>;
}

export abstract class SoakFleet<Config> extends SoakRecord {
  readonly kind: FleetPlan["kind"];
  readonly daemons: SoakDaemon[] = [];
  /** Logs of daemons that have ended. */
  readonly oldLogs: string[] = [];
  readonly zooKeeper: SoakZooKeeper;
  readonly session: Session;
  readonly view: View;
  readonly folder: string;
  /** The configuration that was given last. */
  config: Config;
  readonly #plan: FleetPlan;

  /** A ZooKeeper of so many servers and a folder for a fleet. */
  static async ground(
    servers: number,
  ): Promise<{ readonly zooKeeper: SoakZooKeeper; readonly folder: string }> {
    const zooKeeper = await SoakZooKeeper.open(servers, LONG_SESSION_MS);
    return { zooKeeper, folder: await mkdtemp(join(tmpdir(), "nodepool-soak-")) };
  }

  constructor(ground: Awaited<ReturnType<typeof SoakFleet.ground>>, plan: FleetPlan, config: Config) {
    super();
    this.kind = plan.kind;
    this.#plan = plan;
    this.zooKeeper = ground.zooKeeper;
    this.folder = ground.folder;
    this.config = config;
    process.on("exit", this.#killAll);
    this.session = this.newSession();
    this.view = openView(this.session, silentLogger);
  }

  /** The nodepool.yaml of a daemon that is to go to this ZooKeeper. */
  protected abstract textFor(number: number, zooKeeper: Servers): string;

  /** Every call to the cloud that has no answer fails. */
  abstract cutCloud(): void;

  /** A client's session of its own. */
  newSession(): ZooKeeperSession {
    const { servers } = this.zooKeeper;
    return connectSession({ servers, sessionTimeoutMs: LONG_SESSION_MS, logger: silentLogger });
  }

  /** Starts another daemon. */
  protected async add(number: number): Promise<void> {
    // One of them hears of what others do late and piece by piece.
    const ways = await SoakWays.open(this.zooKeeper.servers, number === 2);
    const address = `127.0.0.1:${await freePort()}`;
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    await this.#write(number, ways);
    const { file, env } = this.#plan;
    const words = ["-c", this.#file(number), "--listen", address, "--grace", String(GRACE)];
    const start = () => startProgram(file, words, env(number));
    const since = performance.now();
    const daemon: SoakDaemon = { number, clients, ways, start, program: start(), since, trouble: null };
    this.daemons.push(daemon);
    this.#guard(daemon);
    await daemon.program.waitFor(/"msg":"serving"/, PATIENCE_MS);
  }

  #killAll = () => {
    for (const { program } of this.daemons) {
      try {
        process.kill(program.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  };

  /** Starts a daemon that was ended. */
  restart(daemon: SoakDaemon): void {
    this.oldLogs.push(daemon.program.output());
    if (this.oldLogs.length > OLD_LOGS) this.oldLogs.shift();
    this.#lookThroughLog(daemon);
    daemon.program = daemon.start();
    daemon.since = performance.now();
    // Until its program has begun, a signal ends it at once.
    daemon.trouble = "starting";
    this.#guard(daemon);
    const begun = () => {
      daemon.trouble = null;
    };
    daemon.program.waitFor(new RegExp(`nodepool-${this.kind}`)).then(begun, () => {});
  }

  /** Ends a daemon in order; it has to end with 0, in time. */
  async stop(daemon: SoakDaemon): Promise<void> {
    daemon.trouble = "stopping";
    const code = await daemon.program.stop("SIGTERM", (GRACE + 8) * 1000).catch(() => "not in time");
    if (code !== 0) this.wrong(`${this.kind} ${daemon.number} stopped with ${code}`);
  }

  /** Sends a signal to a daemon's process. */
  signal(daemon: SoakDaemon, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    daemon.trouble = signal === "SIGCONT" ? null : signal;
    process.kill(daemon.program.pid, signal);
  }

  #guard(daemon: SoakDaemon): void {
    const { program } = daemon;
    const ended = (code: number | null) => {
      const isExpected = daemon.trouble !== null && daemon.trouble !== "starting";
      if (isExpected || daemon.program !== program) return;
      const name = `${this.kind} ${daemon.number}`;
      this.wrong(`${name} ended by itself (${code}): ${program.output().slice(-2000)}`);
    };
    program.ended(2_000_000_000).then(ended, () => {});
  }

  #lookThroughLog({ number, program, since }: SoakDaemon): void {
    for (const wrong of wrongsIn(program.output(), (performance.now() - since) / 1000)) {
      this.wrong(`${this.kind} ${number} ${wrong}`);
    }
  }

  /** Gives daemons another configuration. */
  async configure(config: Config, which: readonly SoakDaemon[] = this.daemons): Promise<void> {
    this.config = config;
    for (const { number, ways } of which) await this.#write(number, ways);
  }

  #file = (number: number) => join(this.folder, `${this.kind}${number}`, "nodepool.yaml");

  async #write(number: number, { servers }: SoakWays): Promise<void> {
    const file = this.#file(number);
    await mkdir(dirname(file), { recursive: true });
    // As one step, for a daemon may start at this moment; two changes may meet.
    const next = `${file}.${randomUUID()}`;
    await writeFile(next, this.textFor(number, servers));
    await rename(next, file);
  }

  async close(): Promise<void> {
    for (const daemon of this.daemons) this.#lookThroughLog(daemon);
    this.closeRecord();
    process.removeListener("exit", this.#killAll);
    for (const { clients } of this.daemons) clients.close();
    await Promise.all(this.daemons.map(({ program }) => program.stop("SIGKILL").catch(() => {})));
    await this.view.close();
    await this.session.close();
    await Promise.all(this.daemons.map(({ ways }) => ways.close()));
    await this.zooKeeper.close();
    await rm(this.folder, { recursive: true });
  }
}
