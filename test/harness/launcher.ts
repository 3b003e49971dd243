// Launchers in this process on a real ZooKeeper, with fake providers and images that are ready.
import { randomUUID } from "node:crypto";
import type { Config, LabelConfig, PoolConfig, ProviderConfig } from "../../lib/config/types.ts";
import type { Service, ServiceContext } from "../../lib/daemon/types.ts";
import { encodeBuild, encodeUpload, newBuild, newUpload } from "../../lib/model/image.ts";
import { buildPath, uploadPath, uploadsPath } from "../../lib/model/paths.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import type { ComponentServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/component.ts";
import type { NodeServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import type { ProviderServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/provider.ts";
import type { RequestServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { type LauncherOptions, startLauncher } from "../../services/launcher/launcher.ts";
import { SLOW_WIRE, startSlowWire } from "./slow_wire.ts";

/** What a test says of its configuration; the rest has defaults. */
export interface Setting {
  readonly labels: Readonly<Record<string, Partial<LabelConfig>>>;
  readonly providers: readonly {
    readonly driver: Provider;
    readonly pools: readonly (Partial<PoolConfig> & {
      readonly name: string;
      readonly offers: readonly string[];
      /** Of all its labels. */
      readonly consoleLog?: boolean;
    })[];
    readonly config?: Partial<ProviderConfig>;
  }[];
  readonly maxHoldAge?: number;
  /** Limits of tenants. */
  readonly tenants?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A configuration in which every label is launched from the image `image`. */
export function configOf(setting: Setting): Config {
  const providers = setting.providers.map(({ driver, pools, config }): ProviderConfig => {
    return {
      name: driver.name,
      driver: "fake",
      maxConcurrency: Infinity,
      bootTimeout: 5,
      launchTimeout: 10,
      launchRetries: 3,
      imageUploadTimeout: 60,
      imageNameFormat: "{image_name}",
      postUploadHook: null,
      imageFormat: "raw",
      managesImages: true,
      diskimages: [],
      settings: {},
      pools: pools.map(({ offers, consoleLog = false, ...pool }) => ({
        maxServers: Infinity,
        maxCores: Infinity,
        maxRam: Infinity,
        priority: 100,
        nodeAttributes: {},
        ignoreProviderQuota: false,
        settings: {},
        labels: offers.map((name) => ({
          name,
          diskimage: "image",
          cloudImage: null,
          hostKeyChecking: true,
          consoleLog,
          settings: {},
        })),
        ...pool,
      })),
      ...config,
    };
  });
  const labels = Object.entries(setting.labels).map(
    ([name, label]) => [name, { name, minReady: 0, maxReadyAge: 0, ...label }] as const,
  );
  return {
    file: "test.yaml",
    hash: "",
    zookeeper: null,
    imagesDir: null,
    elementsDir: null,
    buildLogDir: "",
    buildLogRetention: 7,
    maxHoldAge: setting.maxHoldAge ?? Infinity,
    tenantLimits: new Map(Object.entries(setting.tenants ?? {})),
    labels: new Map(labels),
    diskimages: new Map(),
    providers,
    webapp: { port: 8005, listenAddress: "127.0.0.1" },
    warnings: [],
  };
}

/** A configuration that was read, with its providers open. */
export interface ReadConfig {
  readonly config: Config;
  readonly providers: readonly Provider[];
}

/** A running launcher as tests use it. */
export interface TestLauncher {
  readonly nodes: NodeServiceImplementation;
  readonly requests: RequestServiceImplementation;
  readonly providers: ProviderServiceImplementation;
  readonly components: ComponentServiceImplementation;
  readonly session: ZooKeeperSession;
  readonly view: View;
  readonly service: Service;
  /** Stops the launcher and its session. */
  stop(): Promise<void>;
  /** Ends as a killed process does: the session is closed under the launcher's feet. */
  crash(): Promise<void>;
}

/** Starts a launcher with a session of its own. */
export async function startTestLauncher(
  server: { readonly host: string; readonly port: number },
  given: Setting | ReadConfig,
  options: LauncherOptions & {
    readonly chroot?: string;
    /** Puts the launcher behind a slow wire: see its file. */
    readonly slowWire?: boolean;
    readonly logger?: Logger;
    readonly clock?: Clock;
  } = {},
): Promise<TestLauncher> {
  const logger = options.logger ?? silentLogger;
  const wire = (options.slowWire ?? SLOW_WIRE) ? await startSlowWire(server) : undefined;
  const { host, port } = wire ?? server;
  const session = connectSession({
    servers: [{ host, port }],
    chroot: options.chroot ?? "",
    sessionTimeoutMs: 6000,
    logger,
  });
  await session.connected();
  await session.ensurePath("/nodepool");
  const view = openView(session, logger);
  const context: ServiceContext = {
    ...("config" in given
      ? given
      : { config: configOf(given), providers: given.providers.map(({ driver }) => driver) }),
    session,
    locks: createLocks(session),
    view,
    unserved: [],
    clock: options.clock ?? systemClock,
    logger,
    hostname: "test-host",
    version: "0.0.0",
    newUuid: () => randomUUID(),
  };
  const scanHostKeys = async () => ["ssh-ed25519 AAAA"];
  const stubs = { scanHostKeys, reach: async () => {} };
  const service = await startLauncher(context, { cleanupIntervalMs: 60_000, ...stubs, ...options });
  const find = (name: string) => {
    const found = service.rpc.find(
      ({ definition }) => "fullName" in definition && definition.fullName === name,
    );
    if (found === undefined) throw new Error(`no service ${name}`);
    return found.implementation as unknown;
  };
  const end = async () => {
    await view.close();
    await session.close();
    await wire?.close();
  };
  return {
    nodes: find("nodepool.v1.NodeService") as NodeServiceImplementation,
    requests: find("nodepool.v1.RequestService") as RequestServiceImplementation,
    providers: find("nodepool.v1.ProviderService") as ProviderServiceImplementation,
    components: find("nodepool.v1.ComponentService") as ComponentServiceImplementation,
    session,
    view,
    service,
    stop: async () => {
      await service.stop(AbortSignal.timeout(5000));
      await end();
    },
    crash: async () => {
      await end();
      await service.stop(AbortSignal.abort());
    },
  };
}

/** Records an image build with a ready upload at each provider. */
export async function putImage(
  session: Session,
  providers: readonly string[],
  image = "image",
): Promise<void> {
  const now = Date.now() / 1000;
  const build = randomUUID().replaceAll("-", "");
  await session.ensurePath(buildPath(image, build).slice(0, -build.length - 1));
  const ready = { state: "ready", username: "zuul", pythonPath: "auto" } as const;
  await session.create(buildPath(image, build), encodeBuild(newBuild(now, ready)), "persistent");
  for (const provider of providers) {
    await session.ensurePath(uploadsPath(image, build, provider));
    const upload = newUpload(now, { ...ready, externalId: `${image}-at-${provider}`, format: "raw" });
    const path = uploadPath(image, build, provider, "0000000001");
    await session.create(path, encodeUpload(upload), "persistent");
  }
}

/** Waits until the check gives something; fails with `what` after `milliseconds`. Between checks it pauses. */
export async function until<T>(
  what: string,
  check: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  milliseconds = 60_000,
  pauseMs = 10,
): Promise<T> {
  const end = Date.now() + milliseconds;
  while (true) {
    const value = await check();
    if (value !== undefined && value !== null && value !== false) return value;
    if (Date.now() > end) throw new Error(`still waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
