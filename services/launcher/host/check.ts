// Checks hosts and keeps what was found. A host that fails, or hangs until its timeout, is no error: it is what was
// found out.
import { isDeepStrictEqual } from "node:util";
import { ROOT } from "../../../lib/model/paths.ts";
import type { Host } from "../../../lib/provider/contract.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { SharedCall } from "../../../lib/std/shared_call.ts";
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

/** The checks of a host as it is configured: one at a time. */
export interface HostCheckCall {
  readonly host: Host;
  readonly call: SharedCall<void>;
}

/**
 * Checks a host; what comes of it is in hand afterwards. The check begins after this call, and after the one of this host
 * that is under way: all who ask meanwhile share it. An SSH server drops connections when many at once have not logged
 * in, those of the jobs on other slots among them.
 *
 * @param signal ends the waiting; the check goes on for the others @throws its reason
 */
export async function examineHost(
  environment: Environment,
  placed: PlacedHost,
  signal: AbortSignal,
): Promise<void> {
  const { hostChecks } = environment;
  const key = hostKey(placed);
  let check = hostChecks.get(key);
  if (check === undefined || !isDeepStrictEqual(check.host, placed.host)) {
    check = { host: placed.host, call: new SharedCall(() => examine(environment, placed)) };
    hostChecks.set(key, check);
  }
  await check.call.fresh(signal);
}

async function examine(environment: Environment, placed: PlacedHost): Promise<void> {
  const { hand, hostGate, tasks } = environment;
  const { signal } = tasks;
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
