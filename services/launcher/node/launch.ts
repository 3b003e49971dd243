// Launches one node: recorded, created at the provider, host keys read. Each step can be taken up by another process.
//
// Invariants:
//   N1. Before the provider is called, the node says what will be there: image and attempt. An instance carries the
//       node's id and a token made of node and attempt, so whoever repeats the call goes on with the same instance.
//   N2. The outcome stays in memory until it is written together with the request that waits for it.
//   N3. A launch that is interrupted (lock lost, shutdown) leaves instance and record as they are, for the next one.
//   N4. An attempt's instance is deleted only when the node says that the attempt is over. Whoever has slept past his
//       session fails at once, since the time for his launch is up, and before he hears that the node is not his any
//       more: its instance may be in use by then.
import { withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath } from "../../../lib/model/paths.ts";
import { type Instance, NameTakenError, NotFoundError, QuotaError } from "../../../lib/provider/contract.ts";
import { launchTimer } from "../../../lib/provider/launch_timer.ts";
import type { NoteInstance } from "../../../lib/provider/nodepool.ts";
import { withDeadline } from "../../../lib/std/deadline.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { sleepUnder } from "../../../lib/std/follow_signals.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { Action } from "../actions.ts";
import { driverOf, type Environment, nowOf, transaction } from "../environment.ts";
import { QUOTA_PAUSE_SECONDS } from "../pool/fit.ts";
import { labelOf, nameOf } from "../pool/served.ts";
import { ownDataOf } from "../request/own_data.ts";
import { readableNode } from "../request/read.ts";
import type { Launch } from "../state.ts";
import {
  asLaunched,
  attemptOf,
  createInstance,
  isAttemptOver,
  removeAttempt,
  withAttempt,
  withAttemptOver,
  withInstance,
} from "./attempt.ts";
import { attemptImage, withImage } from "./attempt_image.ts";
import { readHostKeys } from "./host_keys.ts";
import { settle, writeBehind, writeLaunch } from "./write_launch.ts";

/** Launches are tried again after this many milliseconds, times the attempts so far. */
const RETRY_PAUSE_MS = 500;

/** So many of the last lines of a console are logged. */
const CONSOLE_LINES = 200;

/** Locks the node, writes the intent, and goes on in the background. */
export async function beginLaunch(
  environment: Environment,
  action: Extract<Action, { kind: "launch" }>,
): Promise<void> {
  const { context, hand, tasks } = environment;
  const { pool } = action;
  const node = readableNode(environment, action.node);
  const label = node.record.type[0] ?? "";
  const request = action.request === null ? undefined : context.view.request(action.request);
  const own = request?.record ? ownDataOf(request.record) : null;
  const taken = { ...node.record, launcher: pool.id };
  const begun = () => withAttempt(withNodeState(taken, "building", nowOf(environment)), 1);
  const record = taken.state === "init" ? withImage(environment, { pool, label }, begun()) : taken;
  const steps = transaction(environment, "node.intend");
  const lock = steps.take(context.locks, nodeLockPath(node.id), node.lock, pool.id);
  const version = steps.setNode(node.id, record, node.version);
  await steps.commit();
  const launch: Launch = {
    node: node.id,
    request: action.request,
    pool,
    label,
    leased: own?.lease !== null && own !== null,
    status: "launching",
    lock: lock(),
    record,
    version: version(),
    reason: "",
    traceparent: own?.traceparent ?? null,
    controller: new AbortController(),
  };
  hand.launches.set(node.id, launch);
  tasks.start(`launch of node ${node.id}`, (signal) => runLaunch(environment, launch, signal));
}

async function runLaunch(environment: Environment, launch: Launch, signal: AbortSignal): Promise<void> {
  const { context, metrics } = environment;
  const started = nowOf(environment);
  const place = { provider: launch.pool.provider.name, pool: launch.pool.pool.name, label: launch.label };
  const attributes = { "nodepool.node": launch.node, "nodepool.request": launch.request ?? "", ...place };
  const subject = { node: launch.node, request: launch.request, ...place };
  const use = environment.uses.begin(driverOf(environment, launch.record.provider));
  const signals = [signal, launch.lock.signal, launch.controller.signal, use.signal];
  try {
    await withSpan("node.launch", { parent: launch.traceparent, attributes }, async (span) => {
      await tryAttempts(environment, launch, signals);
      span.setAttribute("nodepool.result", launch.status);
    });
    context.logger.info("launch ended", {
      ...subject,
      result: launch.status,
      reason: launch.reason,
      attempt: attemptOf(launch.record),
    });
  } catch (error) {
    if (!signals.some((one) => one.aborted) && !isLost(error)) throw error;
    context.logger.info("launch interrupted", { ...subject, error: messageOf(error) });
  } finally {
    const result = launch.status === "launching" ? "interrupted" : launch.status;
    metrics.launch(nowOf(environment) - started, { ...place, result });
    await settle(environment, launch);
    use.end();
  }
}

/** Errors that mean that the node is not ours any more. */
function isLost(error: unknown): boolean {
  return isZooKeeperError(error);
}

async function tryAttempts(
  environment: Environment,
  launch: Launch,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { context } = environment;
  const { provider } = launch.pool;
  const attempts = Math.max(1, provider.launchRetries);
  // What a failed attempt has left may be hard to remove: each try at that counts as an attempt, too.
  for (let removals = 0; ; ) {
    const isRemoving = isAttemptOver(launch.record);
    const attempt = attemptOf(launch.record) + removals;
    try {
      if (isRemoving) {
        await beginNextAttempt(environment, launch, signals);
        continue;
      }
      const milliseconds = provider.launchTimeout * 1000;
      const late = `launch-timeout: not ready after ${provider.launchTimeout} s`;
      const timer = launchTimer(context.clock, driverOf(environment, provider.name));
      await withDeadline(timer, milliseconds, late, signals, (signal) =>
        tryOnce(environment, launch, signal),
      );
      launch.status = "ready";
      return;
    } catch (error) {
      if (signals.some((signal) => signal.aborted) || isLost(error)) throw error;
      launch.reason = `${nameOf(launch.pool)}: ${messageOf(error)}`;
      if (isRefused(environment, launch, error)) {
        launch.status = "aborted";
        return;
      }
      const fields = { node: launch.node, attempt, attempts, error: messageOf(error) };
      context.logger.warn("launch attempt failed", fields);
      await logConsole(environment, launch, signals);
      const hopeless = error instanceof NotFoundError;
      if (attempt >= attempts || hopeless) {
        launch.status = "failed";
        return;
      }
      if (isRemoving) removals += 1;
      else await writeLaunch(environment, launch, withAttemptOver(launch.record));
      await sleepUnder(context.clock, RETRY_PAUSE_MS * attempt, signals);
    }
  }
}

/** Whether a launch is given up at once, and its request gets another node. */
function isRefused(environment: Environment, launch: Launch, error: unknown): boolean {
  const { context, hand, refreshLimits } = environment;
  const { name } = launch.pool.provider;
  if (error instanceof QuotaError) {
    hand.quotaBlocks.set(name, nowOf(environment) + QUOTA_PAUSE_SECONDS);
    refreshLimits(name);
    return true;
  }
  if (!(error instanceof NameTakenError)) return false;
  // Somebody may be at work on it: the request's next node has the next number.
  const fields = { node: launch.node, reason: launch.reason };
  context.logger.warn("a node's number is taken at its provider", fields);
  return true;
}

/** Removes what the attempt that is over has left, and records the next one with the image that it is to be of. */
async function beginNextAttempt(
  environment: Environment,
  launch: Launch,
  signals: readonly AbortSignal[],
): Promise<void> {
  await removeAttempt(environment, launch, signals);
  const next = withAttempt(launch.record, attemptOf(launch.record) + 1);
  await writeLaunch(environment, launch, withImage(environment, launch, next));
}

async function tryOnce(environment: Environment, launch: Launch, signal: AbortSignal): Promise<void> {
  const instance = await withSpan("node.create", {}, () => create(environment, launch, signal));
  const record = asLaunched(launch.record, instance);
  const hostKeys = await readHostKeys(environment, launch, { instance, record, signal });
  launch.record = hostKeys === null ? record : { ...record, hostKeys };
}

// A driver may wrap what the callback throws: that the node is not ours any more must not look like its failure.
async function create(environment: Environment, launch: Launch, signal: AbortSignal): Promise<Instance> {
  const { image, record } = attemptImage(environment, launch);
  if (record !== launch.record) await writeLaunch(environment, launch, record);
  let lost: unknown;
  const note: NoteInstance = async (externalId, claim) => {
    if (launch.record.externalId === externalId && claim === undefined) return;
    const noted = withInstance(launch.record, externalId, claim);
    if (claim === undefined) {
      writeBehind(environment, launch, noted);
      return;
    }
    lost = undefined;
    await writeLaunch(environment, launch, noted, claim.operations).catch((error: unknown) => {
      lost = error;
      throw error;
    });
  };
  try {
    return await createInstance(environment, launch, image, note, signal);
  } catch (error) {
    throw lost ?? error;
  }
}

/** @throws when one of the signals is aborted meanwhile: then there is nothing more to do about the launch */
async function logConsole(
  environment: Environment,
  launch: Launch,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { context } = environment;
  const { externalId, provider } = launch.record;
  const driver = driverOf(environment, provider);
  if (labelOf(launch.pool, launch.label)?.consoleLog !== true || driver === undefined) return;
  if (typeof externalId !== "string") return;
  try {
    const text = await withDeadline(context.clock, 30_000, "no console log in 30 s", signals, (signal) =>
      driver.consoleLog(externalId, signal),
    );
    const lines = (text ?? "").split("\n").filter((line) => line !== "");
    for (const line of lines.slice(-CONSOLE_LINES)) {
      context.logger.info("console", { node: launch.node, line });
    }
  } catch (error) {
    if (signals.some((signal) => signal.aborted)) throw error;
    context.logger.warn("no console log", { node: launch.node, error: messageOf(error) });
  }
}
