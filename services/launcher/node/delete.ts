// Deletes nodes: intent first, then the instance until its provider has confirmed, then the record.
import { type NodeRecord, withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath, nodePath } from "../../../lib/model/paths.ts";
import { backoffDelay } from "../../../lib/std/backoff.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { sleepUnder } from "../../../lib/std/follow_signals.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { subtree } from "../../../lib/zookeeper/tree_operations.ts";
import { type HeldLock, isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { Action } from "../actions.ts";
import { throughCheckpoints } from "../checkpoint.ts";
import { driverOf, type Environment, nowOf, randomOf, transaction } from "../environment.ts";
import { replacementOf } from "../host/replace.ts";
import type { ReadableNode } from "../pool/census.ts";
import { markedUsed, wasUsed } from "../request/own_data.ts";
import { readableNode } from "../request/read.ts";
import type { Transaction } from "../transaction.ts";
import { inDeletionTime, removeInstances } from "./attempt.ts";

const RETRY = { initial: 1000, maximum: 60_000 };

/** Takes the node's lock and writes `deleting` in one transaction, and goes on in the background. */
export async function beginDelete(
  environment: Environment,
  action: Extract<Action, { kind: "delete" }>,
): Promise<void> {
  const steps = transaction(environment, "node.delete");
  const node = readableNode(environment, action.node);
  await commitDeletions(environment, steps, [prepareDelete(environment, steps, node, action.reason)]);
}

/** A deletion whose beginning is part of a transaction: see {@link prepareDelete}. */
export interface PreparedDeletion {
  readonly node: string;
  readonly goOn: () => void;
}

/**
 * Adds the beginning of a deletion to a transaction: `deleting` is written, and the node's lock taken. That is refused
 * when anybody else holds it.
 *
 * @param lease the lock's contenders from which it is taken over: the node's lease ends with it
 */
export function prepareDelete(
  environment: Environment,
  steps: Transaction,
  { id, record, version, lock }: ReadableNode,
  reason: string,
  lease: readonly string[] = [],
): PreparedDeletion {
  const { context, tasks } = environment;
  const root = nodeLockPath(id);
  const isGone = record.state === "deleted";
  // A host is checked when its node goes: whoever ends the deletion has to know what the host was used for.
  const isUsedSlot = wasUsed(record) && environment.hosts.slotOf(id) !== undefined;
  const marked = isUsedSlot ? markedUsed(record) : record;
  const deleting = isGone ? record : withNodeState(marked, "deleting", nowOf(environment));
  // Watchers may see a transaction piece by piece: `deleting` is not to be seen before the lock of whoever deletes, nor
  // a lease's end before what comes of it.
  const takesOver = lease.length > 0;
  if (takesOver) steps.setNode(id, deleting, version);
  const taken = takesOver
    ? steps.takeOver(context.locks, root, lease, "deleting")
    : steps.take(context.locks, root, lock, "deleting");
  if (!takesOver) steps.setNode(id, deleting, version);
  const goOn = () => {
    const { provider, externalId: external } = record;
    context.logger.info("deleting node", { node: id, provider, external, reason });
    // What the provider refused for want of quota took none: that it goes makes no room.
    const makesRoom = record.state !== "aborted";
    const deletion = { node: id, record: deleting, lock: taken(), makesRoom };
    tasks.start(`deletion of node ${id}`, (signal) => runDelete(environment, deletion, signal));
  };
  return { node: id, goOn };
}

/** Commits a transaction, and goes on with the deletions that it begins. */
export async function commitDeletions(
  { hand, kick }: Environment,
  steps: Transaction,
  deletions: readonly PreparedDeletion[],
): Promise<void> {
  // Before the view shows them: nobody else here begins them then.
  const begun = deletions.filter(({ node }) => !hand.deletions.has(node));
  for (const { node } of begun) hand.deletions.add(node);
  try {
    await steps.commit();
  } catch (error) {
    // Those that somebody else has sent to their deletion meanwhile were left to us.
    for (const { node } of begun) hand.deletions.delete(node);
    kick();
    throw error;
  }
  for (const { goOn } of deletions) goOn();
}

class ProviderGoneError extends Error {}

interface Deletion {
  readonly node: string;
  readonly record: NodeRecord;
  readonly lock: HeldLock;
  /** Whether the provider has more to give when it is done. */
  readonly makesRoom: boolean;
}

async function runDelete(
  environment: Environment,
  { node, record, lock, makesRoom }: Deletion,
  signal: AbortSignal,
): Promise<void> {
  const { context, hand, metrics, kick } = environment;
  const started = nowOf(environment);
  const attributes = { "nodepool.node": node, provider: record.provider ?? "" };
  const use = environment.uses.begin(driverOf(environment, record.provider));
  try {
    await withSpan("node.delete", { attributes }, async () => {
      const signals = [signal, lock.signal, use.signal];
      await removeUntilConfirmed(environment, node, record, signals);
      const next = await replacementOf(environment, node, record, signals);
      await removeRecord(environment, node, lock, next, signals);
    });
    if (makesRoom) hand.quotaBlocks.delete(record.provider ?? "");
    metrics.deleted(nowOf(environment) - started, { provider: record.provider ?? "" });
    context.logger.info("node deleted", { node, provider: record.provider });
    await context.view.settled();
  } catch (error) {
    await lock.release().catch(() => undefined);
    const isInterrupted = signal.aborted || use.signal.aborted || error instanceof ProviderGoneError;
    if (!isInterrupted && !isZooKeeperError(error)) throw error;
    context.logger.info("deletion interrupted", { node, error: messageOf(error) });
  } finally {
    hand.deletions.delete(node);
    use.end();
    kick();
  }
}

/**
 * Deletes what a node has at its provider, again and again until the provider has confirmed that; with pauses, and a deletion
 * that hangs counts as one that has failed.
 *
 * @throws {Error} when one of the signals is aborted
 */
export async function removeUntilConfirmed(
  environment: Environment,
  node: string,
  record: NodeRecord,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { clock } = environment.context;
  const neverLaunched = record.externalId === null && record.imageId === null;
  if (neverLaunched || record.state === "deleted") return;
  const driver = driverOf(environment, record.provider);
  // Its provider has left the configuration since that was decided: the record stays for whoever serves it.
  if (driver === undefined) throw new ProviderGoneError(`provider ${record.provider} is not served any more`);
  for (let failures = 1; ; failures += 1) {
    try {
      await inDeletionTime(clock, signals, (signal) =>
        throughCheckpoints(environment.checkpoint, "node.remove", () =>
          removeInstances(driver, node, record, signal),
        ),
      );
      return;
    } catch (error) {
      if (signals.some((signal) => signal.aborted)) throw error;
      await pauseAfter(environment, { node, failures, error }, signals);
    }
  }
}

async function pauseAfter(
  { context }: Environment,
  failure: { readonly node: string; readonly failures: number; readonly error: unknown },
  signals: readonly AbortSignal[],
): Promise<void> {
  const { clock, logger } = context;
  const { node, failures, error } = failure;
  const pause = backoffDelay(failures, { ...RETRY, random: randomOf(context) });
  logger.warn("deletion failed, will be repeated", { node, failures, pause, error: messageOf(error) });
  await sleepUnder(clock, pause, signals);
}

/**
 * Removes the node's znode with all that is below it. Whoever waits for its lock finds nothing left.
 *
 * @param next the record that takes its place, if any
 */
async function removeRecord(
  environment: Environment,
  node: string,
  lock: HeldLock,
  next: NodeRecord | null,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { session } = environment.context;
  const path = nodePath(node);
  for (let failures = 0; ; failures += 1) {
    // Whatever else somebody has put there is looked for when it shows.
    const below = failures === 0 ? [lock.root, path] : await subtree(session, path);
    const steps = transaction(environment, "node.forget");
    if (next !== null) steps.createNode(next);
    // This fails unless the lock is still ours.
    steps.delete(lock.contender);
    for (const other of below) if (other !== lock.contender) steps.delete(other);
    steps.releasedWith(lock);
    try {
      await steps.commit();
      return;
    } catch (error) {
      if (!isZooKeeperError(error, "NOT_EMPTY")) throw error;
      if (failures > 0) await pauseAfter(environment, { node, failures, error }, signals);
    }
  }
}
