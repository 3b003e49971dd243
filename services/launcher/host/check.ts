// Checks hosts and keeps what was found. A host that fails, or hangs until its timeout, is no error: it is what was
// found out.
import { messageOf } from "../../../lib/std/errors.ts";
import type { Action } from "../actions.ts";
import { throughCheckpoints } from "../checkpoint.ts";
import { driverOf, type Environment, nowOf } from "../environment.ts";
import { hostKey, type PlacedHost } from "./slots.ts";

/** Checks under way at once, by one launcher: those of hosts that hang must not hold the others up. */
export const CHECKS_AT_ONCE = 100;

export async function checkHost(
  environment: Environment,
  { placed }: Extract<Action, { kind: "check-host" }>,
): Promise<void> {
  await examineHost(environment, placed, environment.tasks.signal);
}

/** Checks a host; what comes of it is in hand afterwards. @throws the signal's reason when it is aborted */
export async function examineHost(
  environment: Environment,
  placed: PlacedHost,
  signal: AbortSignal,
): Promise<void> {
  await environment.hostGate.pass(async () => {
    signal.throwIfAborted();
    const { hand, checkpoint } = environment;
    const { host, pool } = placed;
    const key = hostKey(placed);
    const driver = driverOf(environment, pool.provider.name);
    if (driver?.checkHost === undefined) return;
    const check = driver.checkHost.bind(driver);
    const from = nowOf(environment);
    const { last = null, failures = 0 } = hand.hosts.get(key) ?? {};
    hand.hosts.set(key, { host, checkingSince: from, last, failures });
    const use = environment.uses.begin(driver);
    try {
      const either = AbortSignal.any([signal, use.signal]);
      const found = await throughCheckpoints(checkpoint, "host.check", () => check(host, either));
      const report = { from, at: nowOf(environment), found, problem: null };
      hand.hosts.set(key, { host, checkingSince: null, last: report, failures: 0 });
    } catch (error) {
      const isOver = signal.aborted || use.signal.aborted;
      const report = { from, at: nowOf(environment), found: null, problem: messageOf(error) };
      const ended = isOver ? { last, failures } : { last: report, failures: failures + 1 };
      hand.hosts.set(key, { host, checkingSince: null, ...ended });
      if (isOver) throw error;
    } finally {
      use.end();
    }
  });
}
