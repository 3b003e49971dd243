// The launcher: keeps nodes ready, serves requests, and deletes what is returned.
//
// Invariants:
//   L1. ZooKeeper holds all state. What is in hand here can be lost at any time: others, or the next start, go on.
//   L2. Everything that is written is fenced: by the lock under which it is done, and by the version that was read.
//   L3. Watches lead to decisions. The only timers are for ages, leases, retries and the look at the providers.
import type { Config } from "../../lib/config/types.ts";
import type { Service, ServiceContext } from "../../lib/daemon/types.ts";
import { sharedOf } from "../../lib/model/shared_node.ts";
import { reach } from "../../lib/provider/reach.ts";
import { seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { Gate } from "../../lib/std/gate.ts";
import { TaskGroup } from "../../lib/std/task_group.ts";
import { Attachments } from "./attachments.ts";
import type { ReachCheckpoint } from "./checkpoint.ts";
import { Brakes } from "./cleanup/brake.ts";
import { Cleanup } from "./cleanup/cleanup.ts";
import { ImageCleanup } from "./cleanup/images.ts";
import { Components } from "./components.ts";
import { DriverUses } from "./driver_uses.ts";
import { Engine } from "./engine.ts";
import { type Environment, type Reach, randomOf, type ScanHostKeys } from "./environment.ts";
import { CHECKS_AT_ONCE } from "./host/check.ts";
import { HostKeepers } from "./host/keeper.ts";
import { hostKey } from "./host/slots.ts";
import { removeLeftNames } from "./left_names.ts";
import { createMetrics } from "./metrics.ts";
import { LimitsWatch } from "./pool/limits.ts";
import { nameOf, servedPools } from "./pool/served.ts";
import { Chains, prepareScopes } from "./request/chains.ts";
import { allScopes } from "./request/claims.ts";
import { RequestIds } from "./request/request_ids.ts";
import { launcherServices } from "./rpc/services.ts";
import { HandState } from "./state.ts";

/** What tests change. */
export interface LauncherOptions {
  /** How often the providers are looked through, in milliseconds. @default 60000 */
  readonly cleanupIntervalMs?: number;
  readonly scanHostKeys?: ScanHostKeys;
  readonly reach?: Reach;
  /** Hears which step is reached. @default nobody does */
  readonly checkpoint?: ReachCheckpoint;
}

/** Starts the launcher; resolves when it is registered and decides. */
export async function startLauncher(given: ServiceContext, options: LauncherOptions = {}): Promise<Service> {
  // Another configuration is taken over by changing these two.
  const context: Mutable<ServiceContext> = { ...given };
  const { hostname, newUuid, logger, clock, view } = context;
  const pools = servedPools(context.config, context.providers, hostname, newUuid);
  const tasks = new TaskGroup((error, name) => {
    logger.error("task failed", { task: name, error: messageOf(error) });
  });
  const named = () => context.providers.map(({ name }) => name);
  const metrics = createMetrics(
    view,
    () => environment.pools,
    named,
    () => context.config,
  );
  const environment: Mutable<Environment> = {
    context,
    pools,
    uses: new DriverUses(),
    hand: new HandState(() => seconds(clock), randomOf(context)),
    chains: new Chains(view, newUuid()),
    requestIds: new RequestIds(view),
    tasks,
    metrics,
    brakes: new Brakes((error, provider) =>
      logger.error("a listener to a brake failed", { provider, error }),
    ),
    checkpoint: options.checkpoint ?? (() => {}),
    scanHostKeys: options.scanHostKeys ?? (await import("../../lib/provider/key_scan.ts")).scanHostKeys,
    reach: options.reach ?? ((there) => reach({ ...there, clock })),
    refreshLimits: (provider) => limits.refresh(provider),
    nodesOf: (request) => engine.nodesOf(request),
    hosts: {
      slotOf: (node) => engine.hosts.slotOf(node),
      nodesOf: (placed) => engine.hosts.nodesOf(placed),
      judge: (placed, more) => engine.hosts.judge(placed, more),
    },
    hostGate: new Gate(CHECKS_AT_ONCE),
    hostChecks: new Map(),
    kick: () => engine.kick(),
  };
  const limits = new LimitsWatch(environment);
  const components = await Components.open(context, pools);
  const engine = new Engine(environment, components);
  limits.follow(context.providers);
  await view.ready();
  await view.settled();
  const attachments = new Attachments(environment);
  attachments.attach(context.providers);
  engine.start();
  const keepers = new HostKeepers(environment, () => engine.touchHosts());
  const forgetNames = (once: Promise<void>) => {
    tasks.start("removal of what names have left", async () => {
      await once;
      await removeLeftNames(environment);
    });
  };
  forgetNames(keepers.follow(context.providers));
  startCleanup(environment, options.cleanupIntervalMs ?? 60_000);
  const { services, close } = launcherServices(environment, engine);
  logger.info("launcher started", { pools: pools.map((pool) => pool.id) });
  // Whoever cannot reach ZooKeeper keeps the old configuration.
  const admit = (next: Config) => prepareScopes(context.session, allScopes(next));
  return {
    rpc: services,
    plan: (next) => engine.plan(next),
    admit,
    reconfigure: async (next) => {
      await admit(next.config);
      const gone = new Set(context.providers.filter((driver) => !next.providers.includes(driver)));
      Object.assign(context, { config: next.config, providers: next.providers, unserved: next.unserved });
      attachments.attach(next.providers);
      const before = environment.pools;
      environment.pools = servedPools(next.config, next.providers, hostname, newUuid, before);
      limits.follow(next.providers);
      const locksReleased = keepers.follow(next.providers);
      for (const pool of before) environment.hand.retired.add(nameOf(pool));
      for (const pool of environment.pools) environment.hand.retired.delete(nameOf(pool));
      for (const { id } of before) environment.hand.withdrawing.add(id);
      for (const { id } of environment.pools) environment.hand.withdrawing.delete(id);
      forgetLeft(environment);
      engine.reload();
      await components.follow(environment.pools, next.generation ?? 1);
      await environment.uses.drain(gone);
      await attachments.keep(next.providers);
      // Pools of ours that are gone from the tree by now do not count as somebody else's.
      await view.settled().catch(() => undefined);
      environment.hand.withdrawing.clear();
      engine.reload();
      tellOfOrphans(environment);
      forgetNames(locksReleased);
      logger.info("launcher goes on with another configuration", { pools: environment.pools.map(nameOf) });
      return { released: Promise.resolve() };
    },
    stop: async (grace) => {
      engine.stop();
      close();
      metrics.stop();
      await untilAborted(stop(environment, components, attachments), grace);
      logger.info("launcher stopped");
    },
  };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What is known of providers, labels and hosts that have left the configuration is not kept. */
function forgetLeft({ context, hand, hostChecks, pools, brakes }: Environment): void {
  const providers = new Set(context.config.providers.map(({ name }) => name));
  hand.keepOnly({ providers, labels: new Set(context.config.labels.keys()) });
  brakes.keepOnly(providers);
  const known = new Set(pools.flatMap((pool) => (pool.hosts ?? []).map((host) => hostKey({ pool, host }))));
  for (const byHost of [hand.hosts, hostChecks]) {
    for (const key of byHost.keys()) if (!known.has(key)) byHost.delete(key);
  }
}

/**
 * Nodes of a provider that has left the configuration: without its driver nobody can delete them, nor give back those
 * that it shares out.
 */
function tellOfOrphans({ context }: Environment): void {
  const known = new Set(context.config.providers.map(({ name }) => name));
  const served = new Set(Array.from(context.view.pools(), ({ record }) => record?.providerName));
  const orphans = new Map<string, number>();
  for (const { record } of context.view.nodes()) {
    const sharer = record?.state === "in-use" ? sharedOf(record)?.provider : null;
    for (const provider of [record?.provider, sharer]) {
      if (!provider || known.has(provider) || served.has(provider)) continue;
      orphans.set(provider, (orphans.get(provider) ?? 0) + 1);
    }
  }
  for (const [provider, nodes] of orphans) {
    const remedy = "put it back with max-servers: 0 until they are gone";
    context.logger.warn("a provider was removed while nodes of it are there", { provider, nodes, remedy });
  }
}

/** Images are looked at less often, and have to look lost for an hour. */
function startCleanup(environment: Environment, interval: number): void {
  const nodes = new Cleanup(environment, interval / 2);
  const images = new ImageCleanup(environment, interval * 60);
  repeat(environment, "cleanup", interval, (signal) => nodes.pass(signal));
  repeat(environment, "cleanup of images", interval * 10, () => images.pass());
}

/** Runs passes of a cleanup until the launcher stops, and one at once when somebody has released a brake. */
function repeat(
  environment: Environment,
  name: string,
  interval: number,
  pass: (signal: AbortSignal) => Promise<void>,
): void {
  const { clock } = environment.context;
  environment.tasks.start(name, async (signal) => {
    let again = () => {};
    const stop = environment.brakes.onRelease(() => again());
    try {
      while (!signal.aborted) {
        await pass(signal).catch((error: unknown) => {
          // The next one may do better.
          if (!signal.aborted) environment.context.logger.error("task failed", { task: name, error });
        });
        const wake = new AbortController();
        again = () => wake.abort();
        await clock.sleep(interval, AbortSignal.any([signal, wake.signal])).catch(() => {});
      }
    } finally {
      stop();
    }
  });
}

// Launches and deletions are left as they are: their records tell the next launcher how to go on.
async function stop(
  environment: Environment,
  components: Components,
  attachments: Attachments,
): Promise<void> {
  const { hand, tasks } = environment;
  await components.close();
  await tasks.close(new Error("the launcher is stopping"));
  await attachments.keep([]);
  const launches = [...hand.launches.values()].map((launch) => launch.lock.release());
  const requests = [...hand.requests.values()].map((held) => held.lock.release());
  await Promise.allSettled([...launches, ...requests]);
}

function untilAborted(work: Promise<void>, grace: AbortSignal): Promise<void> {
  if (grace.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  grace.addEventListener("abort", () => resolve(), { once: true });
  return Promise.race([work, promise]);
}
