// What this launcher says of itself and its pools below /nodepool/components.

import type { ServiceContext } from "../../lib/daemon/types.ts";
import { type ComponentRecord, newComponent, type PoolRecord } from "../../lib/model/component.ts";
import { componentsPath, IMAGES, NODES, REQUEST_LOCKS, REQUESTS } from "../../lib/model/paths.ts";
import { atMost } from "../../lib/std/at_most.ts";
import { type Registration, registerComponent } from "../../lib/zookeeper/component.ts";
import { throughOutages } from "../../lib/zookeeper/through_outages.ts";
import type { Decision } from "./actions.ts";
import { offeredLabels, poolRecord, type ServedPool } from "./pool/served.ts";
import { prepareScopes } from "./request/chains.ts";
import { allScopes } from "./request/claims.ts";

interface Entry {
  readonly pool: ServedPool;
  readonly registration: Registration<PoolRecord>;
  paused: boolean;
  /** Labels that those who prefer the pool cannot have there. */
  unable: readonly string[];
  /** Labels that it goes on saying it offers until what comes instead is said as well. */
  readonly withdrawing: readonly string[];
  /** The record as it was last given to be written. */
  written: string;
}

/** How long a change waits for what it says to be written, in milliseconds. */
const PATIENCE_MS = 5000;

/** This launcher's znodes among the components. */
export class Components {
  readonly #context: ServiceContext;
  readonly #launcher: Registration<ComponentRecord>;
  #entries: readonly Entry[];
  /** Records that were seen to offer all that a pool does. */
  readonly #shown = new WeakMap<PoolRecord, ServedPool>();

  /** Creates the paths that everybody relies on, and registers the launcher and its pools. */
  static async open(context: ServiceContext, pools: readonly ServedPool[]): Promise<Components> {
    const { session, clock, config } = context;
    const kinds = ["launcher", "pool", "builder"].map(componentsPath);
    await throughOutages(session, clock, async () => {
      for (const path of [NODES, REQUESTS, REQUEST_LOCKS, IMAGES, ...kinds]) await session.ensurePath(path);
      await prepareScopes(session, allScopes(config));
    });
    const components = new Components(context, pools);
    await Promise.all(components.#entries.map(({ registration }) => registration.registered()));
    return components;
  }

  private constructor(context: ServiceContext, pools: readonly ServedPool[]) {
    const { session, logger, clock } = context;
    this.#context = context;
    this.#launcher = registerComponent(session, this.#own(1), { logger, clock });
    this.#entries = pools.map((pool) => this.#register(pool));
  }

  #register(pool: ServedPool): Entry {
    const { session, logger, clock } = this.#context;
    const record = this.#record({ pool, paused: false, unable: [], withdrawing: [] });
    const registration = registerComponent(session, record, { logger, clock });
    return {
      pool,
      registration,
      paused: false,
      unable: [],
      withdrawing: [],
      written: JSON.stringify(record),
    };
  }

  /** What the launcher says of itself, with the configuration that it runs with. */
  #own(generation: number): ComponentRecord {
    const { config, hostname, version } = this.#context;
    const extra = { config_hash: config.hash, config_generation: generation };
    return newComponent({ hostname, kind: "launcher", state: "running", version, extra });
  }

  /**
   * Takes over the pools of another configuration: some come, some go, some offer something else. What comes is said
   * before what goes is withdrawn, so that no launcher finds that nobody serves a label that moves.
   */
  async follow(pools: readonly ServedPool[], generation: number): Promise<void> {
    this.#launcher.update(this.#own(generation));
    const before = new Map(this.#entries.map((entry) => [entry.pool.id, entry]));
    this.#entries = pools.map((pool) => {
      const entry = before.get(pool.id);
      if (entry === undefined) return this.#register(pool);
      before.delete(pool.id);
      const offered = new Set(offeredLabels(pool));
      const withdrawing = offeredLabels(entry.pool).filter((label) => !offered.has(label));
      return { ...entry, pool, withdrawing };
    });
    await this.#say();
    this.#entries = this.#entries.map((entry) => ({ ...entry, withdrawing: [] }));
    await this.#say();
    await Promise.all([...before.values()].map(({ registration }) => registration.close()));
  }

  /** Writes what has changed, and waits for it; not for long, for ZooKeeper may be away. */
  async #say(): Promise<void> {
    for (const entry of this.#entries) this.#write(entry);
    const all = Promise.all(this.#entries.map(({ registration }) => registration.written()));
    await atMost(this.#context.clock, PATIENCE_MS, all);
  }

  #write(entry: Entry): void {
    const record = this.#record(entry);
    const written = JSON.stringify(record);
    if (written === entry.written) return;
    entry.written = written;
    entry.registration.update(record);
  }

  /** Whether the view shows what these pools offer: before that, requests would look as if nobody could serve them. */
  shows(pools: readonly ServedPool[]): boolean {
    const visible = new Map(Array.from(this.#context.view.pools(), ({ record }) => [record?.id, record]));
    return pools.every((pool) => {
      const record = visible.get(pool.id);
      if (!record) return false;
      // Asked before each decision: one look at all labels is enough for each version.
      if (this.#shown.get(record) === pool) return true;
      const isShown = offeredLabels(pool).every((label) => record.supportedLabels.includes(label));
      if (isShown) this.#shown.set(record, pool);
      return isShown;
    });
  }

  /** Says which pools others need not wait for: see {@link Decision}. Only changes are written. */
  setPaused(paused: Decision["paused"], unable: Decision["unable"]): void {
    for (const entry of this.#entries) {
      const isPaused = paused.has(entry.pool.id);
      const labels = [...(unable.get(entry.pool.id) ?? [])].sort();
      if (entry.paused === isPaused && entry.unable.join() === labels.join()) continue;
      entry.paused = isPaused;
      entry.unable = labels;
      this.#write(entry);
    }
  }

  /** Removes them: no request is left to us any more. */
  async close(): Promise<void> {
    const all = [this.#launcher, ...this.#entries.map(({ registration }) => registration)];
    await Promise.all(all.map((registration) => registration.close()));
  }

  #record({
    pool,
    paused,
    unable,
    withdrawing,
  }: Pick<Entry, "pool" | "paused" | "unable" | "withdrawing">): PoolRecord {
    const { config, hostname, version } = this.#context;
    const supportedLabels = [...offeredLabels(pool), ...withdrawing];
    const record = poolRecord(pool, config, { hostname, version, paused, supportedLabels });
    return unable.length > 0 ? { ...record, extra: { ...record.extra, unable } } : record;
  }
}
