// Registers this launcher and its pools below /nodepool/components, anew after each session.

import type { ServiceContext } from "../../lib/daemon/types.ts";
import { encodeComponent, encodePool, newComponent, newPool } from "../../lib/model/component.ts";
import { componentsPath, IMAGES, NODES, REQUEST_LOCKS, REQUESTS } from "../../lib/model/paths.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { isZooKeeperError } from "../../lib/zookeeper/types.ts";
import { offeredLabels, type ServedPool } from "./pool/served.ts";

interface Registered {
  readonly path: string;
  version: number;
  paused: boolean;
}

/** This launcher's znodes among the components. */
export class Components {
  readonly #context: ServiceContext;
  readonly #pools: readonly ServedPool[];
  readonly #registered = new Map<string, Registered>();
  #session = 0n;
  #queue: Promise<void> = Promise.resolve();

  constructor(context: ServiceContext, pools: readonly ServedPool[]) {
    this.#context = context;
    this.#pools = pools;
  }

  /** Creates the paths that everybody relies on. */
  async ensurePaths(): Promise<void> {
    const components = ["launcher", "pool", "builder"].map(componentsPath);
    for (const path of [NODES, REQUESTS, REQUEST_LOCKS, IMAGES, ...components]) {
      await this.#context.session.ensurePath(path);
    }
  }

  /** Registers what the present session has not registered yet. */
  register(): Promise<void> {
    return this.#inTurn(async () => {
      const { session, hostname, version } = this.#context;
      if (session.state !== "connected") return;
      if (this.#session !== session.sessionId) this.#registered.clear();
      this.#session = session.sessionId;
      const launcher = newComponent({ hostname, kind: "launcher", state: "running", version });
      await this.#create("launcher", "launcher", encodeComponent(launcher));
      for (const pool of this.#pools) await this.#create("pool", pool.id, this.#encode(pool, false));
    });
  }

  /** Whether the view shows all our pools: before that, requests would look as if nobody could serve them. */
  get areVisible(): boolean {
    const visible = new Set(Array.from(this.#context.view.pools(), ({ record }) => record?.id));
    return this.#pools.every((pool) => visible.has(pool.id));
  }

  /** Says in which pools a request waits for room. Only changes are written. */
  setPaused(paused: ReadonlySet<string>): Promise<void> {
    const changed = this.#pools.filter((pool) => {
      const entry = this.#registered.get(pool.id);
      return entry !== undefined && entry.paused !== paused.has(pool.id);
    });
    if (changed.length === 0) return this.#queue;
    return this.#inTurn(async () => {
      for (const pool of changed) {
        const entry = this.#registered.get(pool.id);
        if (entry === undefined || entry.paused === paused.has(pool.id)) continue;
        const data = this.#encode(pool, paused.has(pool.id));
        const stat = await this.#context.session.set(entry.path, data, entry.version);
        entry.version = stat.version;
        entry.paused = paused.has(pool.id);
      }
    });
  }

  /** Removes them: no request is left to us any more. */
  unregister(): Promise<void> {
    return this.#inTurn(async () => {
      const paths = [...this.#registered.values()].map((entry) => entry.path);
      this.#registered.clear();
      for (const path of paths) {
        await this.#context.session.delete(path, -1).catch((error: unknown) => {
          if (!isZooKeeperError(error, "NO_NODE")) throw error;
        });
      }
    });
  }

  #encode(pool: ServedPool, paused: boolean): Uint8Array {
    const { hostname, version } = this.#context;
    return encodePool(
      newPool({
        hostname,
        id: pool.id,
        name: pool.pool.name,
        paused,
        priority: pool.pool.priority,
        providerName: pool.provider.name,
        supportedLabels: offeredLabels(pool),
        version,
        extra: { min_ready: this.#minReady(pool) },
      }),
    );
  }

  /** For the other launchers of ours: the first that keeps a label's min-ready is the only one that asks for nodes. */
  #minReady(pool: ServedPool): Readonly<Record<string, number>> {
    const kept = offeredLabels(pool).map((name) => [
      name,
      this.#context.config.labels.get(name)?.minReady ?? 0,
    ]);
    return Object.fromEntries(kept.filter(([, count]) => Number(count) > 0));
  }

  async #create(kind: string, key: string, data: Uint8Array): Promise<void> {
    if (this.#registered.has(key)) return;
    const prefix = `${componentsPath(kind)}/${this.#context.hostname}`;
    const path = await this.#context.session.create(prefix, data, "ephemeral-sequential");
    this.#registered.set(key, { path, version: 0, paused: false });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(work).catch((error: unknown) => {
      this.#context.logger.warn("components not updated", { error: messageOf(error) });
    });
    return this.#queue;
  }
}
