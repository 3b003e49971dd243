// Whether images-dir is for this builder alone.
//
// Invariants:
//   F1. Of the builders that have the same images-dir, only the one that registered first works; the others stand by.
//   F2. After each registration the folder is read anew before anything is done: another builder may have had it before.
//   F3. Nothing is done in a folder that has ceased to be the one which the builder started with, as when it was unmounted.
import { readFileSync } from "node:fs";
import type { ServiceContext } from "../../lib/daemon/types.ts";
import { hasEnded } from "../../lib/host/process_identity.ts";
import { type ComponentRecord, newComponent } from "../../lib/model/component.ts";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import { type Registration, registerComponent } from "../../lib/zookeeper/component.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { builderIdPath } from "./builder_id.ts";
import { LOOK_AGAIN } from "./room.ts";
import { visible } from "./visible.ts";

/** The keys of ours in a builder's component. */
const BUILDER_ID = "builder_id";
const PROCESS = "process";

/** The id of the builder that a component is of; null for a Python builder, which does not tell. */
export function builderIdOf({ extra }: ComponentRecord): string | null {
  const id = extra[BUILDER_ID];
  return typeof id === "string" ? id : null;
}

export class FolderClaim {
  readonly #context: ServiceContext;
  readonly #folder: string;
  readonly #builderId: string;
  readonly #process: string | null;
  readonly #registration: Registration<ComponentRecord>;
  /** The registration under which the folder was read. */
  #begunAs: string | null = null;

  /** Registers the builder. @param process as process_identity.ts has it */
  constructor(context: ServiceContext, folder: string, builderId: string, process: string | null) {
    const { session, config, logger, clock } = context;
    this.#context = context;
    this.#folder = folder;
    this.#builderId = builderId;
    this.#process = process;
    this.#registration = registerComponent(session, this.#component(config.hash, 1), { logger, clock });
  }

  /** Tells which configuration is in force now. */
  update(hash: string, generation: number): void {
    this.#registration.update(this.#component(hash, generation));
  }

  /** Resolves when {@link problem} can tell. @throws {ZooKeeperError} `CLOSED` */
  async ready(): Promise<void> {
    await this.#registration.registered();
    await this.#context.view.settled();
  }

  /** What forbids to work with the folder at this moment, in a sentence; null when nothing does. */
  problem(): string | null {
    const own = this.#registration.znode;
    if (own === null) return "this builder is about to register itself with ZooKeeper";
    const problem = this.#stranger(own);
    return problem ?? (own === this.#begunAs ? null : "the builder is about to begin");
  }

  #stranger(own: string): string | null {
    return rivalProblem(this.#context.view, own, this.#builderId, this.#folder) ?? this.#change();
  }

  /**
   * Has `begin` read the folder if it is ours alone and was not read under this registration; whether it is read then.
   *
   * @throws what `begin` throws, and the signal's reason when it is aborted
   */
  async begin(begin: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
    const { view } = this.#context;
    await view.ready(signal);
    await visible(view, signal);
    const own = this.#registration.znode;
    if (own === null || this.#stranger(own) !== null) return false;
    if (own !== this.#begunAs) {
      await begin();
      this.#begunAs = own;
    }
    return true;
  }

  /** Has `begin` read the folder whenever that is due. @throws the signal's reason when it is aborted */
  async keep(begin: () => Promise<void>, signal: AbortSignal): Promise<never> {
    const { view, clock, logger } = this.#context;
    let told: string | null = null;
    while (true) {
      const changed = new AbortController();
      const stop = view.subscribe(({ kind }) => {
        if (kind === "component") changed.abort();
      });
      try {
        const isBegun = await this.begin(begin, signal).catch((error: unknown) => {
          signal.throwIfAborted();
          logger.warn("images-dir cannot be read", { error: messageOf(error) });
          return false;
        });
        const problem = isBegun ? null : this.problem();
        if (problem !== null && problem !== told) logger.warn("the builder stands by", { problem });
        told = problem;
        await clock
          .sleep(LOOK_AGAIN * 1000, AbortSignal.any([signal, changed.signal]))
          .catch(() => undefined);
        signal.throwIfAborted();
      } finally {
        stop();
      }
    }
  }

  close(): Promise<void> {
    return this.#registration.close();
  }

  #component(hash: string, generation: number): ComponentRecord {
    const { hostname, version } = this.#context;
    const process = this.#process === null ? {} : { [PROCESS]: this.#process };
    const ours = { [BUILDER_ID]: this.#builderId, ...process };
    const extra = { config_hash: hash, config_generation: generation, ...ours };
    return newComponent({ hostname, kind: "builder", state: "running", version, extra });
  }

  #change(): string | null {
    const path = builderIdPath(this.#folder);
    const remedy = "mount the right folder there, or restart the builder to begin with this one";
    try {
      const id = readFileSync(path, "utf8").trim();
      if (id === this.#builderId) return null;
      return `images-dir ${this.#folder} has become that of another builder (${path} says ${id}): ${remedy}`;
    } catch (error) {
      const what = codeOf(error) === "ENOENT" ? `${path} is gone` : messageOf(error);
      return `images-dir ${this.#folder} is not what it was when the builder started, ${what}: ${remedy}`;
    }
  }
}

/** The builder that registered before us with the same folder, unless it is known to be dead. */
export function rivalProblem(
  view: Pick<View, "components">,
  own: string,
  builderId: string,
  folder: string,
): string | null {
  for (const { znode, component, record } of view.components()) {
    if (component !== "builder" || record === null || builderIdOf(record) !== builderId) continue;
    if (sequence(znode) >= sequence(own)) continue;
    const identity = record.extra[PROCESS];
    if (typeof identity === "string" && hasEnded(identity)) continue;
    const pid = typeof identity === "string" ? ` (process ${identity.split("/")[2]})` : "";
    const place = `${record.hostname ?? "an unknown host"}${pid}`;
    return `images-dir ${folder} is in use by the builder at ${place}: this one stands by until that has ended; give each builder a folder of its own`;
  }
  return null;
}

/** ZooKeeper numbers the components in the order in which they register. */
function sequence(znode: string): number {
  return Number(znode.slice(-10));
}
