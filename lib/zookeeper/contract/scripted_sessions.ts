// Sessions at servers that say what a test tells them to. All end with the test that has begun them.
import { afterEach } from "node:test";
import { silentLogger } from "../../std/logger.ts";
import { connectSession, type SessionOptions, type ZooKeeperSession } from "../session.ts";
import { LONGEST_SESSION_MS } from "./fixture.ts";
import { manualClock } from "./manual_clock.ts";
import { type Peer, ScriptedServer } from "./scripted_server.ts";

/** The id of the session that {@link behave} gives. */
export const SESSION = 0x7000_0000_0000_0001n;
/** A timeout for those cases that are about its end, in milliseconds. */
export const SHORT_TIMEOUT_MS = 600;

const sessions: ZooKeeperSession[] = [];
const servers: ScriptedServer[] = [];

afterEach(async () => {
  // At once: a session says goodbye, and a server that does not answer lets it go when it closes.
  await Promise.all([...sessions.splice(0), ...servers.splice(0)].map((one) => one.close()));
});

/** A server that follows the script with each connection. */
export async function serve(
  script: (peer: Peer, connection: number) => Promise<void> | void,
  host?: string,
): Promise<ScriptedServer> {
  const server = new ScriptedServer(script, host);
  servers.push(server);
  await server.listen();
  return server;
}

/** A session that has begun to connect. Its timeout is one that ends in no case, unless the case asks for a short one. */
export function connect(
  options: Pick<SessionOptions, "servers"> & Partial<SessionOptions>,
): ZooKeeperSession {
  const session = connectSession({
    sessionTimeoutMs: LONGEST_SESSION_MS,
    logger: silentLogger,
    random: () => 0.5,
    ...options,
  });
  sessions.push(session);
  return session;
}

/**
 * A session at servers that it cannot connect to, and what a call in it ends with: the time that the call has for a
 * connection passes at once when the first attempt has failed.
 */
export function connectInVain(options: Pick<SessionOptions, "servers" | "tls">): {
  session: ZooKeeperSession;
  outcome: Promise<unknown>;
} {
  const { clock, advance } = manualClock();
  const { promise: hasFailed, resolve } = Promise.withResolvers<void>();
  const sleep = (milliseconds: number, signal?: AbortSignal) => {
    resolve();
    return clock.sleep(milliseconds, signal);
  };
  const session = connect({ ...options, clock: { ...clock, now: Date.now, sleep } });
  const outcome = session.get("/a");
  void hasFailed.then(() => advance(LONGEST_SESSION_MS, LONGEST_SESSION_MS));
  return { session, outcome };
}

/** Accepts the handshake and answers every call with nothing. */
export async function behave(
  peer: Peer,
  { timeoutMs = LONGEST_SESSION_MS, sessionId = SESSION }: { timeoutMs?: number; sessionId?: bigint } = {},
): Promise<void> {
  await peer.handshake();
  peer.accept(sessionId, timeoutMs);
  while (true) peer.reply(await peer.call());
}
