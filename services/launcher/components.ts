// What this launcher says of itself and its pools below /nodepool/components.

import type { ServiceContext } from "../../lib/daemon/types.ts";
import { newComponent, newPool, type PoolRecord } from "../../lib/model/component.ts";
import { componentsPath, IMAGES, NODES, REQUEST_LOCKS, REQUESTS } from "../../lib/model/paths.ts";
import { type Registration, registerComponent } from "../../lib/zookeeper/component.ts";
import { offeredLabels, type ServedPool } from "./pool/served.ts";
import { prepareScopes } from "./request/chains.ts";
import { allScopes } from "./request/claims.ts";

interface Entry {
  readonly pool: ServedPool;
  readonly registration: Registration<PoolRecord>;
  paused: boolean;
}

/** This launcher's znodes among the components. */
export class Components {
  readonly #context: ServiceContext;
  readonly #launcher: { close(): Promise<void> };
  readonly #entries: readonly Entry[];

  /** Creates the paths that everybody relies on, and registers the launcher and its pools. */
  static async open(context: ServiceContext, pools: readonly ServedPool[]): Promise<Components> {
    const kinds = ["launcher", "pool", "builder"].map(componentsPath);
    for (const path of [NODES, REQUESTS, REQUEST_LOCKS, IMAGES, ...kinds]) {
      await context.session.ensurePath(path);
    }
    await prepareScopes(context.session, allScopes(context.config));
    const components = new Components(context, pools);
    await Promise.all(components.#entries.map(({ registration }) => registration.registered()));
    return components;
  }

  private constructor(context: ServiceContext, pools: readonly ServedPool[]) {
    const { session, hostname, version, logger, clock } = context;
    this.#context = context;
    const launcher = newComponent({ hostname, kind: "launcher", state: "running", version });
    this.#launcher = registerComponent(session, launcher, { logger, clock });
    this.#entries = pools.map((pool) => ({
      pool,
      registration: registerComponent(session, this.#record(pool, false), { logger, clock }),
      paused: false,
    }));
  }

  /** Whether the view shows all our pools: before that, requests would look as if nobody could serve them. */
  get areVisible(): boolean {
    const visible = new Set(Array.from(this.#context.view.pools(), ({ record }) => record?.id));
    return this.#entries.every(({ pool }) => visible.has(pool.id));
  }

  /** Says in which pools a request waits for room. Only changes are written. */
  setPaused(paused: ReadonlySet<string>): void {
    for (const entry of this.#entries) {
      const isPaused = paused.has(entry.pool.id);
      if (entry.paused === isPaused) continue;
      entry.paused = isPaused;
      entry.registration.update(this.#record(entry.pool, isPaused));
    }
  }

  /** Removes them: no request is left to us any more. */
  async close(): Promise<void> {
    const all = [this.#launcher, ...this.#entries.map(({ registration }) => registration)];
    await Promise.all(all.map((registration) => registration.close()));
  }

  #record(pool: ServedPool, paused: boolean): PoolRecord {
    const { hostname, version } = this.#context;
    return newPool({
      hostname,
      id: pool.id,
      name: pool.pool.name,
      paused,
      priority: pool.pool.priority,
      providerName: pool.provider.name,
      supportedLabels: offeredLabels(pool),
      version,
      extra: { min_ready: this.#minReady(pool) },
    });
  }

  /** For the other launchers of ours: the first that keeps a label's min-ready is the only one that asks for nodes. */
  #minReady(pool: ServedPool): Readonly<Record<string, number>> {
    const kept = offeredLabels(pool).map((name) => [
      name,
      this.#context.config.labels.get(name)?.minReady ?? 0,
    ]);
    return Object.fromEntries(kept.filter(([, count]) => Number(count) > 0));
  }
}
