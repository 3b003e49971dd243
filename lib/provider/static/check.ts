// Checks a host: its name resolves, it answers, and its SSH host keys are those that the configuration has.
import { lookup } from "node:dns/promises";
import { abortable } from "../../std/abortable.ts";
import type { Clock } from "../../std/clock.ts";
import { deadline } from "../../std/deadline.ts";
import { messageOf } from "../../std/errors.ts";
import { fingerprint, HOST_KEY_TYPES, typesOf } from "../../std/host_key.ts";
import { type Host, type HostCheck, ProviderError } from "../contract.ts";
import { scanHostKeys } from "../key_scan.ts";
import { connectOnce } from "../reach.ts";
import { Lookups } from "./lookups.ts";

/** Of the whole process, as the resolver's queue is. */
const lookups = new Lookups((name) => lookup(name, { all: true }));

/** @throws {ProviderError} that says what is wrong; the signal's reason */
export async function checkHost(host: Host, signal: AbortSignal, clock: Clock): Promise<HostCheck> {
  if (host.problem !== null) throw new ProviderError(host.problem, { retryable: false });
  signal.throwIfAborted();
  const address = await addressOf(host, signal, clock);
  if (host.connectionType !== "ssh" && host.connectionType !== "network_cli") {
    await reach(host, signal, clock);
    return { hostKeys: [], ...address };
  }
  // Switched off where hosts are out of the launcher's reach: then nothing is connected to, as in Nodepool.
  if (!host.hostKeyChecking) return { hostKeys: host.hostKeys, ...address };
  return { hostKeys: await keysOf(host, signal, clock), ...address };
}

async function addressOf(
  host: Host,
  signal: AbortSignal,
  clock: Clock,
): Promise<{ ipv4: string | null; ipv6: string | null }> {
  const { name } = host;
  try {
    return oneOf(await inTime(() => lookups.find(name), host, signal, clock));
  } catch (error) {
    signal.throwIfAborted();
    throw new ProviderError(`its name ${name} does not resolve (${codeOf(error)})`, { cause: error });
  }
}

/**
 * The address that is recorded. Name servers turn the order of several round with each answer, and the host is reached by
 * its name: the same one each time, or its record would be written anew after each check.
 */
export function oneOf(found: readonly { readonly address: string; readonly family: number }[]): {
  ipv4: string | null;
  ipv6: string | null;
} {
  const first = (wanted: number) =>
    found
      .filter(({ family }) => family === wanted)
      .map(({ address }) => address)
      .sort()[0] ?? null;
  return first(4) === null ? { ipv4: null, ipv6: first(6) } : { ipv4: first(4), ipv6: null };
}

/** Waits as long as the host's timeout says. @throws {Error} that says so, the signal's reason */
async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { timeout }: Host,
  signal: AbortSignal,
  clock: Clock,
): Promise<T> {
  const late = () => new Error(`no answer within ${timeout} s`);
  const limit = deadline(clock, timeout * 1000, late, [signal]);
  try {
    return await abortable(work(limit.signal), limit.signal);
  } finally {
    limit.stop();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
}

async function reach(host: Host, signal: AbortSignal, clock: Clock): Promise<void> {
  const { name, port } = host;
  try {
    await inTime((limit) => connectOnce(name, port, limit), host, signal, clock);
  } catch (error) {
    signal.throwIfAborted();
    throw new ProviderError(`nothing answers at ${name} port ${port}: ${codeOf(error)}`, { cause: error });
  }
}

async function keysOf(host: Host, signal: AbortSignal, clock: Clock): Promise<readonly string[]> {
  const { name, port, timeout, hostKeys } = host;
  // One connection for each key of the configuration is enough to prove it; others are not trusted.
  const wanted = typesOf(hostKeys);
  const types = wanted.length === 0 ? HOST_KEY_TYPES : wanted;
  let found: readonly string[];
  try {
    found = await scanHostKeys({
      host: name,
      port,
      timeoutMs: timeout * 1000,
      signal,
      clock,
      types,
      isBooting: false,
    });
  } catch (error) {
    throw new ProviderError(messageOf(error), { cause: error });
  }
  for (const line of hostKeys) {
    if (found.includes(line)) continue;
    const [type = ""] = line.split(" ");
    const shown = found.find((key) => key.startsWith(`${type} `));
    const instead = shown === undefined ? `no key of type ${type}` : fingerprint(shown);
    throw new ProviderError(
      `its host key is not that of the configuration: it shows ${instead}, host-key has ${fingerprint(line)}`,
      { retryable: false },
    );
  }
  return hostKeys.length === 0 ? found : hostKeys;
}
