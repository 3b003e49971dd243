// Looks at the providers from time to time: what nobody has recorded goes, and records without an instance. What one
// look finds is acted upon only when the next one, a grace time later, finds it again, and unless the brake is on.
import { nodeLockPath, nodePath, requestLockPath } from "../../../lib/model/paths.ts";
import type { Instance, Leftover, Provider } from "../../../lib/provider/contract.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { keys } from "../actions.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import { inDeletionTime } from "../node/attempt.ts";
import { forceDelete } from "../node/force_delete.ts";
import { type Comparison, compare, keyOfLost } from "./compare.ts";
import { askForList, isUpToDate, Looks } from "./looks.ts";
import { type Finding, Remover } from "./remover.ts";
import { emptyShared } from "./shared.ts";

/** An empty lock root of a request that is gone is kept for this many seconds. */
const LOCK_ROOT_AGE = 600;

/** The cleanup of one launcher. */
export class Cleanup {
  readonly #environment: Environment;
  readonly #remover: Remover;
  readonly #looks: Looks;

  /** @param graceMs how long a thing must have looked wrong, in milliseconds */
  constructor(environment: Environment, graceMs: number) {
    this.#environment = environment;
    this.#remover = new Remover(environment, "nodes", graceMs);
    this.#looks = new Looks(environment, "provider.cleanup", (driver, signal) => this.#look(driver, signal));
  }

  /** Begins to look through every provider, and sweeps. */
  async pass(signal: AbortSignal): Promise<void> {
    this.#remover.keepOnly(this.#environment.context.providers);
    this.#looks.start();
    if (!signal.aborted && this.#environment.context.view.current) await this.#sweep();
  }

  async #look(driver: Provider, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#environment;
    const { view } = context;
    const known = new Set(Array.from(view.nodes(), (node) => node.id));
    const instances = await askForList(this.#environment, signal, (inner) => driver.listInstances(inner));
    const leftovers = await askForList(this.#environment, signal, async (inner) =>
      driver.listLeftovers?.(inner),
    );
    if (!(await isUpToDate(this.#environment, signal))) return;
    const inventory = { provider: driver.name, instances, leftovers: leftovers ?? [], known };
    let found = compare(view, inventory);
    if (found.lost.length > 0 && driver.foreignInstances !== undefined) {
      // Of an instance in a part of the cloud that is down, a provider may know the id and not whose it is.
      const foreign = await askForList(this.#environment, signal, async (inner) =>
        driver.foreignInstances?.(inner),
      );
      if (!(await isUpToDate(this.#environment, signal))) return;
      found = compare(view, { ...inventory, foreign: foreign ?? [] });
    }
    metrics.drift(driver.name, {
      instance: found.leaked.length,
      leftover: found.leftovers.length,
      node: found.lost.length,
    });
    this.#remover.act(driver.name, this.#findings(driver, found), found.total + found.leftovers.length);
  }

  #findings(driver: Provider, found: Comparison): Finding[] {
    const { name } = driver;
    return [
      ...found.leaked.map(
        (instance): Finding => ({
          key: `${name}/instance/${instance.externalId}`,
          remove: (signal) => this.#removeLeaked(driver, instance, signal),
        }),
      ),
      ...found.leftovers.map(
        (leftover): Finding => ({
          key: `${name}/${leftover.kind}/${leftover.externalId}`,
          remove: (signal) => this.#removeLeftover(driver, leftover, signal),
        }),
      ),
      ...found.lost.map((node) => ({ key: keyOfLost(name, node.id), remove: () => this.#removeLost(node) })),
    ];
  }

  async #removeLeaked(driver: Provider, instance: Instance, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#environment;
    context.logger.warn("removing an instance that no node knows", {
      provider: driver.name,
      external: instance.externalId,
      name: instance.name,
    });
    await inDeletionTime(context.clock, [signal], (inner) =>
      driver.deleteInstance(instance.externalId, inner),
    );
    metrics.leaked({ provider: driver.name, kind: "instance" });
  }

  async #removeLeftover(driver: Provider, leftover: Leftover, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#environment;
    const { kind, externalId, node } = leftover;
    context.logger.warn("removing what was left behind", {
      provider: driver.name,
      kind,
      external: externalId,
      node,
    });
    await inDeletionTime(context.clock, [signal], async (inner) => driver.deleteLeftover?.(leftover, inner));
    metrics.leaked({ provider: driver.name, kind });
  }

  /** A node that somebody else has locked is in use: who uses it will return it, or is told, when it is a provider of ours. */
  async #removeLost(node: NodeEntry): Promise<void> {
    const { context, hand } = this.#environment;
    if (hand.isBusy(keys.node(node.id))) return;
    const reason = "its instance is gone or does not run any more";
    if (await forceDelete(this.#environment, node, { evenWhenLocked: false })) {
      context.logger.warn("deleting node", { node: node.id, reason });
    } else await emptyShared(this.#environment, node, reason);
  }

  async #sweep(): Promise<void> {
    const { context } = this.#environment;
    const { session, view } = context;
    for (const { request, modifiedAt } of view.orphanedRequestLocks()) {
      if (nowOf(this.#environment) - modifiedAt < LOCK_ROOT_AGE) continue;
      await session.delete(requestLockPath(request), -1).catch(ignore);
    }
    for (const node of view.nodes()) {
      if (node.record === null && node.lock.contenders.length === 0) await this.#removeEmpty(node);
    }
  }

  /** Somebody locked a node that was just deleted, and so brought an empty znode back. */
  async #removeEmpty(node: NodeEntry): Promise<void> {
    const path = nodePath(node.id);
    try {
      const { data, stat } = await this.#environment.context.session.get(path);
      if (data.length > 0) return;
      const steps = transaction(this.#environment, "node.sweep");
      if (node.lock.exists) steps.delete(nodeLockPath(node.id));
      steps.delete(path, stat.version);
      await steps.commit();
      this.#environment.context.logger.info("removed an empty node", { node: node.id });
    } catch (error) {
      ignore(error);
    }
  }
}

function ignore(error: unknown): void {
  if (!isZooKeeperError(error)) throw error;
}
