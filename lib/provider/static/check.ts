// Checks a host: its name resolves, it answers, and its SSH host keys are those that the configuration has.
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { abortable } from "../../std/abortable.ts";
import { messageOf } from "../../std/errors.ts";
import { fingerprint, HOST_KEY_TYPES, typesOf } from "../../std/host_key.ts";
import { type Host, type HostCheck, ProviderError } from "../contract.ts";
import { scanHostKeys } from "../key_scan.ts";
import { Lookups } from "./lookups.ts";

/** Of the whole process, as the resolver's queue is. */
const lookups = new Lookups((name) => lookup(name, { all: true }));

/** @throws {ProviderError} that says what is wrong */
export async function checkHost(host: Host, signal: AbortSignal): Promise<HostCheck> {
  if (host.problem !== null) throw new ProviderError(host.problem, { retryable: false });
  signal.throwIfAborted();
  const address = await addressOf(host, signal);
  if (host.connectionType !== "ssh" && host.connectionType !== "network_cli") {
    await reach(host, signal);
    return { hostKeys: [], ...address };
  }
  // Switched off where hosts are out of the launcher's reach: then nothing is connected to, as in Nodepool.
  if (!host.hostKeyChecking) return { hostKeys: host.hostKeys, ...address };
  return { hostKeys: await keysOf(host, signal), ...address };
}

async function addressOf(
  { name, timeout }: Host,
  signal: AbortSignal,
): Promise<{ ipv4: string | null; ipv6: string | null }> {
  const late = AbortSignal.timeout(timeout * 1000);
  try {
    const found = await abortable(lookups.find(name), AbortSignal.any([signal, late]));
    const of = (family: number) => found.find((one) => one.family === family)?.address ?? null;
    return { ipv4: of(4), ipv6: of(4) === null ? of(6) : null };
  } catch (error) {
    signal.throwIfAborted();
    const why = late.aborted ? `no answer within ${timeout} s` : codeOf(error);
    throw new ProviderError(`its name ${name} does not resolve (${why})`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
}

/** Connects, and no more. */
function reach({ name, port, timeout }: Host, signal: AbortSignal): Promise<void> {
  const late = AbortSignal.timeout(timeout * 1000);
  const ended = AbortSignal.any([signal, late]);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: name, port });
    const onAbort = () => settle(late.aborted ? `it did not answer within ${timeout} s` : "cancelled");
    const settle = (problem: string | null) => {
      ended.removeEventListener("abort", onAbort);
      socket.destroy();
      if (problem === null) resolve();
      else reject(new ProviderError(`nothing answers at ${name} port ${port}: ${problem}`));
    };
    ended.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => settle(null));
    socket.once("error", (error) => settle(codeOf(error)));
  });
}

async function keysOf(host: Host, signal: AbortSignal): Promise<readonly string[]> {
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
