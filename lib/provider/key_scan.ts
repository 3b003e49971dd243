// Reads the SSH host keys of a machine: one connection for each type of key, all at the same time.
import type { Buffer } from "node:buffer";
import ssh2, {
  type CipherAlgorithm,
  type KexAlgorithm,
  type MacAlgorithm,
  type ServerHostKeyAlgorithm,
} from "ssh2";
import { backoffDelay } from "../std/backoff.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import { HOST_KEY_TYPES, type HostKeyType } from "../std/host_key.ts";

/** Where to scan, and for how long. */
export interface KeyScanOptions {
  readonly host: string;
  readonly port: number;
  /** How long to wait for a server that refuses connections or does not answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** The types to look for. @default all */
  readonly types?: readonly HostKeyType[];
  /** Whether a server that refuses connections may be about to start. @default true */
  readonly isBooting?: boolean;
}

/** The ways in which a server may sign with a key of a type, best first. */
const SIGNATURES: Readonly<Record<HostKeyType, readonly ServerHostKeyAlgorithm[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
};

/**
 * What a server may offer besides the library's own choice: what Nodepool's scan takes and both runtimes have. Old
 * network equipment has nothing better, and nothing secret goes over these connections.
 */
const OLD_ALGORITHMS = {
  kex: more<KexAlgorithm>(
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group1-sha1",
  ),
  cipher: more<CipherAlgorithm>("aes128-cbc", "aes256-cbc", "3des-cbc"),
  hmac: more<MacAlgorithm>("hmac-md5", "hmac-sha1-96", "hmac-md5-96"),
};

function more<Algorithm>(...append: Algorithm[]) {
  return { append, prepend: [], remove: [] };
}

/** Errors of a machine that does not run, or runs no server. */
const NOT_THERE = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND/;

/**
 * How long one connection is tried, until it stands and in all, in milliseconds. The kernel asks a machine that is silent
 * while it boots ever more rarely, and of a server that hangs nothing comes: a new connection finds out earlier.
 */
const CONNECT_MS = 3000;
const HANDSHAKE_MS = 10_000;

/** How long other types of key are still tried again after the first key was found. */
const GRACE_MS = 5000;

/**
 * The server's public host keys as "type base64", each once. A server that refuses or resets connections is tried
 * again until the timeout: it is about to start. Each key is one that the server has proved to hold.
 *
 * @throws {Error} that names the host, the port and the last reason when there was no key; the signal's reason
 */
export async function scanHostKeys(options: KeyScanOptions): Promise<string[]> {
  const { host, port, timeoutMs, signal } = options;
  const clock = options.clock ?? systemClock;
  const ended = new AbortController();
  const limits = AbortSignal.any([signal, ended.signal]);
  const timers = [clock.after(timeoutMs, () => ended.abort())];
  const onKey = () => {
    if (timers.length === 1) timers.push(clock.after(GRACE_MS, () => ended.abort()));
  };
  try {
    const types = options.types ?? HOST_KEY_TYPES;
    const found = await Promise.all(types.map((type) => scanType(options, type, clock, limits, onKey)));
    signal.throwIfAborted();
    const keys = found.flatMap(({ key }) => (key === null ? [] : [key]));
    if (keys.length > 0) return [...new Set(keys)];
    const reason = found.find(({ problem }) => problem !== null)?.problem ?? "it has no key of a known type";
    const limit = ended.signal.aborted ? ` within ${timeoutMs / 1000} s` : "";
    throw new Error(`no SSH host key from ${host} port ${port}${limit}: ${reason}`);
  } finally {
    for (const cancel of timers) cancel();
  }
}

interface Scanned {
  readonly key: string | null;
  /** Why there is no key; null when the server has none of this type. */
  readonly problem: string | null;
}

async function scanType(
  { host, port, isBooting = true }: KeyScanOptions,
  type: HostKeyType,
  clock: Clock,
  limits: AbortSignal,
  onKey: () => void,
): Promise<Scanned> {
  let problem = "it did not answer";
  for (let failures = 1; !limits.aborted; failures += 1) {
    const attempt = await handshake({ host, port }, SIGNATURES[type], clock, limits);
    if (attempt.key !== undefined) {
      onKey();
      return { key: attempt.key, problem: null };
    }
    const { reason } = attempt;
    if (reason === null) break;
    if (/no matching host key format/.test(reason)) return { key: null, problem: null };
    problem = reason;
    if (!attempt.mayPass || (!isBooting && NOT_THERE.test(reason))) break;
    await clock.sleep(backoffDelay(failures, { initial: 100, maximum: 1000 }), limits).catch(() => {});
  }
  return { key: null, problem };
}

/** A key, or why not: null when the attempt was broken off. */
type Attempt =
  | { readonly key: string }
  | { readonly key?: undefined; readonly reason: string | null; readonly mayPass: boolean };

/** One connection, as far as the proof of the host key and no further. */
function handshake(
  { host, port }: { readonly host: string; readonly port: number },
  type: readonly ServerHostKeyAlgorithm[],
  clock: Clock,
  limits: AbortSignal,
): Promise<Attempt> {
  const client = new ssh2.Client();
  let key: string | null = null;
  return new Promise((resolve) => {
    const settle = (attempt: Attempt) => {
      limits.removeEventListener("abort", onAbort);
      for (const cancel of timers) cancel();
      client.destroy();
      resolve(attempt);
    };
    const onAbort = () => settle({ reason: null, mayPass: false });
    limits.addEventListener("abort", onAbort, { once: true });
    const giveUpAfter = (milliseconds: number) => {
      const reason = `it did not answer in ${milliseconds / 1000} s`;
      return clock.after(milliseconds, () => settle({ reason, mayPass: true }));
    };
    const onConnect = giveUpAfter(CONNECT_MS);
    const timers = [onConnect, giveUpAfter(HANDSHAKE_MS)];
    client.on("connect", onConnect);
    client.on("handshake", () => {
      settle(key === null ? { reason: "it gave no host key", mayPass: false } : { key });
    });
    client.on("error", (error: Error & { level?: string }) => {
      const mayPass = error.level === "client-socket" || error.level === "client-dns";
      settle({ reason: messageOf(error), mayPass: mayPass || /before handshake/.test(error.message) });
    });
    client.on("close", () => settle({ reason: "it closed the connection in the handshake", mayPass: true }));
    client.connect({
      host,
      port,
      username: "nodepool",
      readyTimeout: 0,
      algorithms: { ...OLD_ALGORITHMS, serverHostKey: [...type] },
      hostVerifier: (blob: Buffer) => {
        key = keyLine(blob);
        return true;
      },
    });
  });
}

/** The line of a key's wire format, which begins with the key's type. */
function keyLine(blob: Buffer): string {
  return `${blob.toString("latin1", 4, 4 + blob.readUInt32BE(0))} ${blob.toString("base64")}`;
}
