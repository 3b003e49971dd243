// Deletes one server with its floating addresses, and waits until it is gone.
import { type Clock, elapsed } from "../../std/clock.ts";
import { ProviderError } from "../contract.ts";
import type { Compute } from "./compute.ts";
import type { FloatingIps } from "./floating_ips.ts";
import { isGone } from "./launch.ts";
import type { ServerList } from "./server_list.ts";

/** What a removal needs. */
export interface RemovalTools {
  readonly compute: Compute;
  readonly servers: ServerList;
  readonly floatingIps: FloatingIps;
  readonly clock: Clock;
  /** Whether nodes may have floating addresses at all. */
  readonly usesFloatingIps: boolean;
}

/** A server that Nova does nothing about for so many milliseconds is deleted once more, at most so many times. */
const IDLE_MS = 15_000;
const DELETES = 3;

/** Resolves when there is no such server. @throws {ProviderError} when Nova gives it up */
export async function removeServer(tools: RemovalTools, id: string, signal: AbortSignal): Promise<void> {
  const { compute } = tools;
  await removeFloatingIps(tools, id, signal);
  for (let deletes = 1; ; deletes += 1) {
    if (!(await compute.delete(id, signal))) return;
    const outcome = await awaitEnd(tools, id, signal);
    if (outcome === "gone") return;
    if (deletes === DELETES)
      throw new ProviderError(`server ${id} was deleted ${deletes} times and is still there: ${outcome}`);
  }
}

async function removeFloatingIps(tools: RemovalTools, id: string, signal: AbortSignal): Promise<void> {
  const { floatingIps, servers } = tools;
  const known = servers.latest(id)?.addresses.filter(({ isFloating }) => isFloating) ?? [];
  if (!tools.usesFloatingIps && known.length === 0) return;
  const addresses = known.map(({ address }) => address);
  await floatingIps.removeFrom(id, addresses, signal);
}

/** "gone", or what the server does instead. */
async function awaitEnd(tools: RemovalTools, id: string, signal: AbortSignal): Promise<string> {
  const { clock, compute, servers } = tools;
  let idleSince: number | null = null;
  for (;;) {
    const outcome = await servers.until((list): string | undefined => {
      const server = list.get(id);
      if (server === undefined || isGone(server.status)) return "gone";
      if (server.taskState === "deleting") {
        idleSince = null;
        return undefined;
      }
      idleSince ??= elapsed(clock);
      if (elapsed(clock) - idleSince < IDLE_MS) return undefined;
      return `it is in state ${server.status}${server.fault === null ? "" : `: ${server.fault.trim()}`}`;
    }, signal);
    if (outcome !== "gone" || compute.listsEverything) return outcome;
    // An old Nova leaves out the servers of a part of the cloud that is down: absent from its list is not gone.
    const there = await compute.server(id, signal);
    if (there === null || isGone(there.status)) return "gone";
  }
}
