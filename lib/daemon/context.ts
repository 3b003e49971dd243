// Opens everything that a service works with: the session, locks, the view of the tree, the providers.
import { requireZooKeeper } from "../config/require.ts";
import type { Config, ZooKeeperConfig } from "../config/types.ts";
import { COMPONENTS, IMAGES, NODES, REQUEST_LOCKS, REQUESTS, ROOT } from "../model/paths.ts";
import type { Clock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { placeOf } from "../zookeeper/connection.ts";
import { createLocks } from "../zookeeper/locks.ts";
import type { Identity } from "../zookeeper/preamble.ts";
import { connectSession, type ZooKeeperSession } from "../zookeeper/session.ts";
import { throughOutages } from "../zookeeper/through_outages.ts";
import { openView } from "../zookeeper/tree_view.ts";
import type { Session } from "../zookeeper/types.ts";
import type { View } from "../zookeeper/view.ts";
import { ProviderSet } from "./provider_set.ts";
import type { ServiceContext } from "./types.ts";
import { followAbsence, reportAbsence } from "./zookeeper_absence.ts";
import { readIdentities } from "./zookeeper_identity.ts";

/** What the context is opened with. */
export interface ContextOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostname: string;
  readonly version: string;
  readonly newUuid: () => string;
  /** Ends the opening. */
  readonly signal: AbortSignal;
  /** Connect to this server instead of the configuration's. */
  readonly zookeeper?: { readonly host: string; readonly port: number };
  readonly stateDir?: string;
  readonly ownsInstances?: boolean;
  /** Whether this process runs the instances that have no machine of their own. @default true */
  readonly hostsInstances?: boolean;
  /** The environment, for drivers. @default empty */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A context with the way to let go of it. */
export interface OpenContext {
  readonly context: ServiceContext;
  readonly providers: ProviderSet;
  /** Goes on with the ZooKeeper servers of another configuration, unless there is only the one that was given. */
  useServers(config: Config): void;
  /** Stops the providers, then ends the session: its locks and ephemerals go. */
  close(): Promise<void>;
}

/**
 * Connects (trying until the signal is aborted), reads the tree and opens the providers.
 *
 * @throws {ConfigError} when no ZooKeeper server is named; the signal's reason
 */
export async function openServiceContext(options: ContextOptions): Promise<OpenContext> {
  const { config, logger, clock, signal, newUuid } = options;
  const session = connect(options, await readIdentities(options.env ?? {}));
  const closing = new AbortController();
  let servers = serversOf(options);
  const report = { logger, clock, servers: () => servers };
  let stopReporting = reportAbsence(report);
  let view: View | null = null;
  try {
    const isNew = await prepareTree(session, clock, signal);
    stopReporting();
    stopReporting = followAbsence(session, report);
    logger.info("connected to ZooKeeper", { servers });
    if (isNew) {
      logger.warn(
        "there was no Nodepool tree, an empty one has been made: is this the chroot that Zuul uses?",
        {
          servers,
          chroot: chrootOf(options.zookeeper ? null : config.zookeeper),
        },
      );
    }
    keepTree(session, options, closing.signal);
    view = openView(session, logger, clock);
    await view.ready(signal);
    const providers = new ProviderSet(options);
    const first = await providers.prepare(config);
    first.take(Promise.resolve());
    const context: ServiceContext = {
      config,
      session,
      locks: createLocks(session, newUuid, clock),
      view,
      providers: first.providers,
      unserved: first.unserved,
      clock,
      logger,
      hostname: options.hostname,
      version: options.version,
      newUuid,
    };
    const opened = view;
    const close = async () => {
      closing.abort();
      stopReporting();
      await providers.close();
      await opened.close();
      await session.close();
    };
    const useServers = (next: Config) => {
      const listed = next.zookeeper?.servers ?? [];
      if (options.zookeeper !== undefined || listed.length === 0) return;
      session.useServers(listed);
      servers = serversOf({ config: next });
    };
    return { context, providers, useServers, close };
  } catch (error) {
    closing.abort();
    stopReporting();
    await view?.close();
    await session.close();
    throw error;
  }
}

/** The servers that {@link openServiceContext} connects to, for messages. */
export function serversOf(options: Pick<ContextOptions, "config" | "zookeeper">): string {
  const servers = options.zookeeper ? [options.zookeeper] : (options.config.zookeeper?.servers ?? []);
  return servers.map(placeOf).join(",");
}

function chrootOf(zookeeper: ZooKeeperConfig | null): string {
  return zookeeper?.servers.find((server) => server.chroot)?.chroot ?? "";
}

function connect(
  { config, logger, clock, zookeeper }: ContextOptions,
  identities: readonly Identity[],
): ZooKeeperSession {
  const configured = zookeeper ? null : requireZooKeeper(config);
  const servers = zookeeper ? [zookeeper] : (configured?.servers ?? []);
  const chroot = chrootOf(configured);
  return connectSession({
    servers: servers.map(({ host, port }) => ({ host, port })),
    ...(chroot === "" ? {} : { chroot }),
    tls: configured?.tls ?? null,
    sessionTimeoutMs: (config.zookeeper?.timeout ?? 10) * 1000,
    logger,
    clock,
    identities,
  });
}

const BASES = [NODES, REQUESTS, REQUEST_LOCKS, IMAGES, COMPONENTS];

/**
 * Waits for the connection and makes the folders that everything else goes into; goes on until it is done. Tells
 * whether there was nothing of Nodepool's before.
 */
async function prepareTree(session: Session, clock: Clock, signal: AbortSignal): Promise<boolean> {
  let isNew = false;
  const make = async () => {
    isNew ||= (await session.exists(ROOT)) === null;
    for (const path of BASES) await session.ensurePath(path);
  };
  await throughOutages(session, clock, make, signal);
  return isNew;
}

/** Makes the folders anew when a session was lost: servers may come back with nothing, as a container without a volume. */
function keepTree(session: Session, { clock, logger }: ContextOptions, closing: AbortSignal): void {
  session.onState((state) => {
    if (state !== "lost") return;
    prepareTree(session, clock, closing).catch((error: unknown) => {
      if (!closing.aborted) logger.error("the tree could not be made", { error: messageOf(error) });
    });
  });
}
