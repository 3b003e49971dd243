// Checks hosts and keeps what was found. A host that fails, or hangs until its timeout, is no error: it is what was
// found out.
import { ROOT } from "../../../lib/model/paths.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import type { Action, HostStatus } from "../actions.ts";
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
  const { hand, hostGate } = environment;
  const { host, pool } = placed;
  const key = hostKey(placed);
  const note = (news: Partial<HostStatus>) => {
    const { last = null, failures = 0 } = hand.hosts.get(key) ?? {};
    hand.hosts.set(key, { host, checkingSince: null, last, failures, ...news });
  };
  // Its turn may be long in coming: whoever waits for the host looks for another one then.
  note({ checkingSince: nowOf(environment) });
  try {
    await hostGate.pass(async () => {
      signal.throwIfAborted();
      const driver = driverOf(environment, pool.provider.name);
      if (driver?.checkHost === undefined) return;
      const check = driver.checkHost.bind(driver);
      const from = nowOf(environment);
      const use = environment.uses.begin(driver);
      const either = AbortSignal.any([signal, use.signal]);
      try {
        const found = await throughCheckpoints(environment.checkpoint, "host.check", () =>
          check(host, either),
        );
        note({ last: { from, at: nowOf(environment), found, problem: null }, failures: 0 });
      } catch (error) {
        const report = { from, at: nowOf(environment), found: null, problem: messageOf(error) };
        const doubt = either.aborted ? error : await whyUnsure(environment, either);
        if (doubt !== null) throw doubt;
        note({ last: report, failures: (hand.hosts.get(key)?.failures ?? 0) + 1 });
      } finally {
        use.end();
      }
    });
  } finally {
    note({});
  }
}

/**
 * Whoever has slept past his session has reached nobody, and knows nothing of how the host is now: the error by which
 * ZooKeeper tells; null when the session lives.
 */
async function whyUnsure({ context }: Environment, signal: AbortSignal): Promise<unknown> {
  try {
    await abortable(context.session.sync(ROOT), signal);
    return null;
  } catch (error) {
    return error;
  }
}
