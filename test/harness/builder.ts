// Builders in this process on a real ZooKeeper, with providers in memory and a build command of a few shell lines.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Config, DiskImageConfig, ProviderConfig } from "../../lib/config/types.ts";
import type { Reconfigured, Service, ServiceContext } from "../../lib/daemon/types.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { BuildEntry, UploadEntry, View } from "../../lib/zookeeper/view.ts";
import { type BuilderOptions, startBuilder } from "../../services/builder/builder.ts";
import { diskimage, provider } from "./builder_state.ts";
import { SLOW_WIRE, startSlowWire } from "./slow_wire.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";

/** What a test says of its configuration; the rest has defaults. */
export interface BuilderSetting {
  readonly images: Readonly<Record<string, Partial<DiskImageConfig>>>;
  readonly providers: readonly {
    readonly driver: Provider;
    readonly images: readonly string[];
    readonly config?: Partial<ProviderConfig>;
  }[];
  readonly logRetention?: number;
  /** @default a folder of the builder's own */
  readonly logDir?: string;
}

/** What ZooKeeper shows of images. */
export interface Observer {
  readonly view: View;
  readonly session: ZooKeeperSession;
  builds(image: string): readonly BuildEntry[];
  uploads(image: string): UploadEntry[];
  stop(): Promise<void>;
}

/** A running builder as tests use it. */
export interface TestBuilder extends Observer {
  readonly service: Service;
  readonly imagesDir: string;
  readonly logDir: string;
  /** Goes on with another configuration. */
  take(setting: BuilderSetting): Promise<Reconfigured>;
  /** Names in images-dir, but for the builder's id. */
  files(): Promise<string[]>;
  /** Ends as a killed process does: the session ends under the builder's feet, and nothing is tidied up. */
  crash(): Promise<void>;
}

/** A folder for one test, with the builders that it starts. */
export class BuilderCase {
  readonly folder: string;
  readonly #server: Pick<ZooKeeperServer, "host" | "port">;
  readonly #running = new Set<Observer>();
  /** Of builders that have crashed: what they had begun comes to its end yet, and may write meanwhile. */
  readonly #crashed: Promise<void>[] = [];

  private constructor(server: Pick<ZooKeeperServer, "host" | "port">, folder: string) {
    this.#server = server;
    this.folder = folder;
  }

  static async begin(server: ZooKeeperServer): Promise<BuilderCase> {
    return new BuilderCase(server, await mkdtemp(join(tmpdir(), "nodepool-builder-")));
  }

  /** The case that another process has begun. */
  static at(server: Pick<ZooKeeperServer, "host" | "port">, folder: string): BuilderCase {
    return new BuilderCase(server, folder);
  }

  /** A build command of shell lines: `$out` is where the image goes, `$here` this case's folder. */
  async command(lines: string): Promise<string> {
    const path = join(this.folder, `dib-${randomUUID()}`);
    const prelude = `here='${this.folder}'\nwhile [ "$1" != -o ]; do shift; done; out=$2`;
    await writeFile(path, `#!/bin/sh\n${prelude}\n${lines}\n`);
    await chmod(path, 0o755);
    return path;
  }

  /** A build command that makes a qcow2 with the build's name in it. */
  plainCommand(): Promise<string> {
    return this.command('echo building; echo "$out" >"$out.qcow2"');
  }

  /** @param name tells builders apart: each has its own host name and images-dir */
  async start(
    setting: BuilderSetting,
    given: Partial<BuilderOptions> & {
      name?: string;
      chroot?: string;
      logger?: Logger;
      clock?: Clock;
      sessionTimeoutMs?: number;
      /** Changes how the builder's session behaves, before the builder has it. */
      spoil?: (session: ZooKeeperSession) => void;
    } = {},
  ): Promise<TestBuilder> {
    const {
      name = "one",
      chroot = this.folder,
      logger = silentLogger,
      clock = systemClock,
      sessionTimeoutMs = 4000,
      spoil = () => {},
      ...options
    } = given;
    const { session, view } = await this.#connect(chroot, sessionTimeoutMs, logger);
    spoil(session);
    const imagesDir = join(this.folder, name, "images");
    const logDir = setting.logDir ?? join(this.folder, name, "logs");
    await mkdir(imagesDir, { recursive: true });
    const context: ServiceContext = {
      config: configOf(setting, imagesDir, logDir),
      session,
      locks: createLocks(session),
      view,
      providers: setting.providers.map(({ driver }) => driver),
      unserved: [],
      clock,
      logger,
      hostname: `${name}.example.org`,
      version: "0.0.0",
      newUuid: () => randomUUID(),
    };
    const backoff = { initial: 200, maximum: 1000 };
    const defaults = { env: { PATH: process.env.PATH }, backoff, takeoverGrace: 0.3, stopGraceMs: 2000 };
    const service = await startBuilder(context, { ...defaults, ...options });
    const end = async () => {
      this.#running.delete(builder);
      await view.close();
      await session.close();
    };
    const builder: TestBuilder = {
      service,
      view,
      session,
      imagesDir,
      logDir,
      ...reading(view),
      take: async (next) => {
        const config = configOf(next, imagesDir, logDir);
        assert.ok(service.reconfigure);
        return await service.reconfigure({
          config,
          providers: next.providers.map(({ driver }) => driver),
          unserved: [],
        });
      },
      files: async () => (await readdir(imagesDir)).filter((file) => file !== "builder_id.txt").sort(),
      stop: async () => {
        await service.stop(AbortSignal.timeout(60_000));
        await end();
      },
      crash: async () => {
        await end();
        this.#crashed.push(service.stop(AbortSignal.abort(new Error("crashed"))));
      },
    };
    this.#running.add(builder);
    return builder;
  }

  /** Sees what a builder sees, and does nothing. */
  async observe(): Promise<Observer> {
    const { session, view } = await this.#connect(this.folder, 10_000, silentLogger);
    await view.ready();
    const observer: Observer = {
      view,
      session,
      ...reading(view),
      stop: async () => {
        this.#running.delete(observer);
        await view.close();
        await session.close();
      },
    };
    this.#running.add(observer);
    return observer;
  }

  async #connect(chroot: string, sessionTimeoutMs: number, logger: Logger) {
    const { host, port } = SLOW_WIRE ? await startSlowWire(this.#server) : this.#server;
    const session = connectSession({
      servers: [{ host, port }],
      chroot: chroot.replaceAll("/", "-").replace(/^-*/, "/"),
      sessionTimeoutMs,
      logger,
    });
    await session.connected();
    await session.ensurePath("/nodepool");
    return { session, view: openView(session, logger) };
  }

  async end(): Promise<void> {
    for (const builder of [...this.#running]) await builder.stop();
    await Promise.all(this.#crashed);
    await rm(this.folder, { recursive: true, force: true });
  }
}

function reading(view: View): Pick<Observer, "builds" | "uploads"> {
  return {
    builds: (image) => view.image(image)?.builds ?? [],
    uploads: (image) => (view.image(image)?.builds ?? []).flatMap(({ uploads }) => uploads),
  };
}

function configOf(setting: BuilderSetting, imagesDir: string, buildLogDir: string): Config {
  const images = Object.entries(setting.images).map(
    ([name, given]) => [name, diskimage(name, { elements: ["el"], ...given })] as const,
  );
  return {
    file: "test.yaml",
    hash: "",
    zookeeper: null,
    imagesDir,
    elementsDir: null,
    buildLogDir,
    buildLogRetention: setting.logRetention ?? 7,
    maxHoldAge: Infinity,
    tenantLimits: new Map(),
    labels: new Map(),
    diskimages: new Map(images),
    providers: setting.providers.map(({ driver, images: listed, config }) =>
      provider(driver.name, [...listed], config),
    ),
    webapp: { port: 8005, listenAddress: "127.0.0.1" },
    warnings: [],
  };
}
