// One launcher as a process of its own, with a tree of its own on a ZooKeeper that others share.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { type Clients, connectClients } from "../../../lib/rpc/client.ts";
import type { Session } from "../../../lib/zookeeper/types.ts";
import { until } from "../../harness/launcher.ts";
import { LauncherCase } from "../../harness/launcher_case.ts";
import { freePort } from "../../harness/ports.ts";
import { PROJECT } from "../../harness/program.ts";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import type { LauncherProgram } from "./program.ts";

export const PROVIDER = "cloud";
export const POOL = "main";
/** Of the launcher's session; no other one here has the same. */
export const SESSION_TIMEOUT_MS = 9000;
const PATIENCE = 120_000;
const CONNECTIONS = 4;

/** What the launcher is told. */
export interface StageSetting {
  readonly program: LauncherProgram;
  /** min-ready by label. */
  readonly labels: Readonly<Record<string, number>>;
  /** The address of a cloud in this process; null: the launcher has one in memory. */
  readonly cloud: string | null;
}

export class Stage {
  readonly session: Session;
  /** The address of its tree, as kazoo takes it. */
  readonly hosts: string;
  readonly address: string;
  /** Clients on connections of their own, as they are when many people ask. */
  readonly clients: readonly Clients[];
  readonly #setting: StageSetting;
  readonly #case: LauncherCase;
  readonly #folder: string;
  #child: ChildProcess | null = null;

  /** Makes the tree with an image that is ready; the launcher is not started yet. */
  static async open(server: ZooKeeperServer, setting: StageSetting): Promise<Stage> {
    const one = await LauncherCase.begin(server, PROVIDER);
    const folder = await mkdtemp(join(tmpdir(), "nodepool-bench-"));
    return new Stage(setting, one, await one.session(), folder, `127.0.0.1:${await freePort()}`);
  }

  private constructor(
    setting: StageSetting,
    one: LauncherCase,
    session: Session,
    folder: string,
    address: string,
  ) {
    this.#setting = setting;
    this.#case = one;
    this.#folder = folder;
    this.session = session;
    this.hosts = one.hosts;
    this.address = address;
    this.clients = Array.from({ length: CONNECTIONS }, () =>
      connectClients({ launcherAddress: address, builderAddress: address, deadlineMs: PATIENCE }),
    );
  }

  /** The launcher's process. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Starts the launcher; gives the milliseconds until it serves. */
  async start(): Promise<number> {
    const config = join(this.#folder, "nodepool.yaml");
    // Not beside the configuration: the launcher hears of whatever happens in that folder.
    const log = join(this.#folder, "output", "log");
    await mkdir(dirname(log), { recursive: true });
    await writeFile(config, configText(this.#case, this.#setting));
    const [command, ...words] = this.#setting.program.command;
    const output = openSync(log, "w");
    const begun = performance.now();
    const child = spawn(command, [...words, "-c", config, "--listen", this.address], {
      cwd: PROJECT,
      env: { ...process.env, ...this.#setting.program.environment },
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    this.#child = child;
    await until(
      "the launcher serves",
      async () => {
        const text = await readFile(log, "utf8");
        if (child.exitCode !== null) throw new Error(`the launcher ended with ${child.exitCode}:\n${text}`);
        return text.includes('"serving"');
      },
      PATIENCE,
    );
    return performance.now() - begun;
  }

  /** Begins or ends a CPU profile of the launcher; its log says where it is. */
  toggleProfile(): void {
    process.kill(this.pid, "SIGUSR2");
  }

  /** Stops the launcher as an operator does. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  async close(): Promise<void> {
    for (const one of this.clients) one.close();
    await this.stop();
    await this.#case.end();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function configText({ server, chroot }: LauncherCase, { labels, cloud }: StageSetting): string {
  const names = Object.keys(labels);
  return [
    "zookeeper-servers:",
    `  - {host: ${server.host}, port: ${server.port}, chroot: ${chroot}}`,
    `zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}`,
    "labels:",
    ...names.map((name) => `  - {name: ${name}, min-ready: ${labels[name]}}`),
    "diskimages:",
    "  - name: image",
    "providers:",
    `  - name: ${PROVIDER}`,
    "    driver: fake",
    ...(cloud === null ? [] : [`    cloud: ${cloud}`]),
    "    diskimages:",
    "      - name: image",
    "    pools:",
    `      - name: ${POOL}`,
    "        host-key-checking: false",
    "        labels:",
    ...names.map((name) => `          - {name: ${name}, diskimage: image}`),
    "",
  ].join("\n");
}
