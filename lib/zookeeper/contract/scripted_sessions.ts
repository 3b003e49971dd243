// Sessions at servers that say what a test tells them to. All end with the test that has begun them.
import { afterEach } from "node:test";
import { silentLogger } from "../../std/logger.ts";
import { connectSession, type SessionOptions, type ZooKeeperSession } from "../session.ts";
import { type Peer, ScriptedServer } from "./scripted_server.ts";

/** The id of the session that {@link behave} gives. */
export const SESSION = 0x7000_0000_0000_0001n;
/** The timeout that it gives, and that {@link connect} asks for, in milliseconds. */
const TIMEOUT_MS = 600;

const sessions: ZooKeeperSession[] = [];
const servers: ScriptedServer[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  await Promise.all(servers.splice(0).map((server) => server.close()));
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

/** A session that has begun to connect. */
export function connect(
  options: Pick<SessionOptions, "servers"> & Partial<SessionOptions>,
): ZooKeeperSession {
  const session = connectSession({
    sessionTimeoutMs: TIMEOUT_MS,
    logger: silentLogger,
    random: () => 0.5,
    ...options,
  });
  sessions.push(session);
  return session;
}

/** Accepts the handshake and answers every call with nothing. */
export async function behave(
  peer: Peer,
  { timeoutMs = TIMEOUT_MS, sessionId = SESSION }: { timeoutMs?: number; sessionId?: bigint } = {},
): Promise<void> {
  await peer.handshake();
  peer.accept(sessionId, timeoutMs);
  while (true) peer.reply(await peer.call());
}
