// nodepool release
import { durationOf } from "../../../lib/rpc/duration.ts";
import { elapsed } from "../../../lib/std/clock.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import type { Command, CommandContext } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";
import { untilInterrupted } from "../interrupt.ts";
import { Outage } from "../outage.ts";
import { grantedSeconds, requestName, shortName } from "../resource.ts";

export const run: Command = async (context, ids, { fault, wait }) => {
  const limit = grantedSeconds("--wait", wait);
  const { requests } = await context.clients();
  const failures: unknown[] = [];
  const released: string[] = [];
  for (const id of ids) {
    const call = { name: requestName(id), fault: typeof fault === "string" ? fault : "" };
    // One that is refused does not keep those behind it.
    await requests.releaseRequest(call).then(
      () => released.push(call.name),
      (error: unknown) => failures.push(error),
    );
  }
  let code: number = EXIT.ok;
  try {
    if (limit !== undefined) code = await untilGone(context, released, limit);
  } catch (error) {
    failures.push(error);
  }
  const [first, ...others] = failures;
  for (const error of others) context.host.stderr.write(`nodepool: ${messageOf(error)}\n`);
  if (failures.length > 0) throw first;
  return code;
};

/** Waits until no node of these requests is on its way out any more. @throws {CommandError} when one still is then */
function untilGone(context: CommandContext, names: readonly string[], limit: number): Promise<number> {
  const { clock, host } = context;
  const end = elapsed(clock) + limit * 1000;
  return untilInterrupted(host, async (interrupt) => {
    const left: string[] = [];
    for (const name of names)
      left.push(...(await leftOf(context, name, () => end - elapsed(clock), interrupt)));
    if (left.length === 0) return EXIT.ok;
    throw new CommandError(`not gone within ${limit} s: ${left.join(", ")} (why: nodepool explain node ID)`);
  });
}

/** How long one call waits at most: proxies cut off what is silent for longer. */
const CALL_MS = 60_000;

/**
 * The ids of the nodes that are on their way out when the time is over. Each call goes on where the one before has ended.
 *
 * @param rest how many milliseconds are left
 */
async function leftOf(
  context: CommandContext,
  name: string,
  rest: () => number,
  interrupt: AbortSignal,
): Promise<string[]> {
  const { requests } = await context.clients();
  const outage = new Outage(context);
  while (true) {
    try {
      const { nodes } = await requests.releaseRequest(
        { name, waitDuration: durationOf(Math.min(Math.max(0, rest()), CALL_MS) / 1000) },
        { signal: interrupt },
      );
      outage.over();
      if (nodes.length === 0 || rest() <= 0) return nodes.map(shortName);
    } catch (error) {
      if (rest() <= 0) throw error;
      await outage.tryAgain(error, interrupt);
    }
  }
}
