// Looks at the providers from time to time: instances without a record go, and records without an instance.

import { nodeLockPath, nodePath, requestLockPath } from "../../lib/model/paths.ts";
import { type Instance, METADATA, type Provider } from "../../lib/provider/contract.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { isZooKeeperError } from "../../lib/zookeeper/types.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import { keys } from "./actions.ts";
import { type Environment, nowOf, transaction } from "./environment.ts";
import { DELETE_TIMEOUT_MS, launchToken, textOf } from "./node/attempt.ts";
import { withDeadline } from "./node/deadline.ts";
import { forceDelete } from "./node/force_delete.ts";

const LIST_TIMEOUT_MS = 60_000;

/** An empty lock root of a request that is gone is kept for this many seconds. */
const LOCK_ROOT_AGE = 600;

/** States in which a node must have its instance. */
const PRESENT = new Set(["ready", "in-use", "hold"]);

/** What was suspicious in the last pass; only what is so twice in a row is acted upon. */
export class Cleanup {
  readonly #environment: Environment;
  #leaked = new Set<string>();
  #lost = new Set<string>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** One pass over all providers. A provider that fails does not stop the others. */
  async pass(signal: AbortSignal): Promise<void> {
    const { context } = this.#environment;
    const leaked = new Set<string>();
    const lost = new Set<string>();
    for (const driver of context.providers) {
      if (signal.aborted || !context.view.current) return;
      try {
        await this.#compare(driver, signal, leaked, lost);
      } catch (error) {
        context.logger.warn("provider could not be looked through", {
          provider: driver.name,
          error: messageOf(error),
        });
      }
    }
    this.#leaked = leaked;
    this.#lost = lost;
    if (!signal.aborted && context.view.current) await this.#sweep();
  }

  #bounded<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#environment.context;
    return withDeadline(clock, LIST_TIMEOUT_MS, "no answer in 60 s", [signal], call);
  }

  async #compare(
    driver: Provider,
    signal: AbortSignal,
    leaked: Set<string>,
    lost: Set<string>,
  ): Promise<void> {
    const { view } = this.#environment.context;
    // A node that is recorded only now may have no instance yet.
    const before = new Set(Array.from(view.nodes(), (node) => node.id));
    const instances = await this.#bounded(signal, (inner) => driver.listInstances(inner));
    await view.settled();
    if (!view.current) return;
    for (const instance of instances) {
      const key = `${driver.name}/${instance.externalId}`;
      if (instance.metadata[METADATA.node] === undefined || this.#isKnown(instance)) continue;
      if (this.#leaked.has(key)) await this.#removeLeaked(driver, instance, signal);
      else leaked.add(key);
    }
    const alive = new Set(instances.filter(isAlive).map((instance) => instance.externalId));
    for (const node of view.nodes()) {
      const { record, id } = node;
      if (record?.provider !== driver.name || record.externalId === null || !before.has(id)) continue;
      if (!PRESENT.has(record.state) || alive.has(textOf(record.externalId))) continue;
      if (!this.#lost.has(id)) lost.add(id);
      else await this.#removeLost(node);
    }
  }

  /** The record comes before the instance, so an instance whose node is unknown has lost it. */
  #isKnown(instance: Instance): boolean {
    const node = instance.metadata[METADATA.node] ?? "";
    const entry = this.#environment.context.view.node(node);
    if (entry === undefined) return false;
    const token = instance.metadata[METADATA.launchToken];
    if (entry.record === null || token === undefined) return true;
    const isOwn = textOf(entry.record.externalId) === instance.externalId;
    return isOwn || entry.record.externalId === null || token === launchToken(node, entry.record);
  }

  async #removeLeaked(driver: Provider, instance: Instance, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#environment;
    context.logger.warn("removing an instance that no node knows", {
      provider: driver.name,
      external: instance.externalId,
      node: instance.metadata[METADATA.node],
    });
    await withDeadline(context.clock, DELETE_TIMEOUT_MS, "not deleted in 600 s", [signal], (inner) =>
      driver.deleteInstance(instance.externalId, inner),
    );
    metrics.leaked({ provider: driver.name });
  }

  /** A node that somebody else has locked is in use: who uses it will return it. */
  async #removeLost(node: NodeEntry): Promise<void> {
    const { context, hand } = this.#environment;
    if (hand.isBusy(keys.node(node.id))) return;
    const reason = "its instance is gone or does not run any more";
    try {
      if (await forceDelete(this.#environment, node, { evenWhenLocked: false })) {
        context.logger.warn("deleting node", { node: node.id, reason });
      }
    } catch (error) {
      context.logger.info("node not deleted", { node: node.id, error: messageOf(error) });
    }
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
      const steps = transaction(this.#environment);
      if (node.lock.exists) steps.delete(nodeLockPath(node.id));
      steps.delete(path, stat.version);
      await steps.commit();
      this.#environment.context.logger.info("removed an empty node", { node: node.id });
    } catch (error) {
      ignore(error);
    }
  }
}

function isAlive(instance: Instance): boolean {
  return instance.state === "running" || instance.state === "building";
}

function ignore(error: unknown): void {
  if (!isZooKeeperError(error)) throw error;
}
