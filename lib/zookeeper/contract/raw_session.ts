// Single calls on bare connections, for what no well-behaved client does.
import { systemClock } from "../../std/clock.ts";
import { Connection, type ServerAddress } from "../connection.ts";
import { type Credentials, encodeHandshake, NEW_SESSION } from "../handshake.ts";
import { encodeRequest, type Request, requests } from "../wire.ts";

/** How often to begin again when the owner has taken its session back before it was closed. */
const ATTEMPTS = 20;

class SessionEndedError extends Error {
  override name = "SessionEndedError";
}

/**
 * Ends somebody else's session: connects with that session's credentials (the server moves the session here and
 * drops the other connection) and closes it. The owner then finds that it has expired.
 */
export async function takeOverAndClose(server: ServerAddress, credentials: Credentials): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await connectAndCall(server, credentials, 4000, requests.closeSession());
      return;
    } catch (error) {
      if (error instanceof SessionEndedError) return;
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** Leaves an ephemeral behind in a session of `timeoutMs` whose client is never heard of again. */
export function abandonEphemeral(server: ServerAddress, path: string, timeoutMs: number): Promise<void> {
  const create = requests.create(path, new Uint8Array(), "ephemeral");
  return connectAndCall(server, NEW_SESSION, timeoutMs, create);
}

function connectAndCall(
  server: ServerAddress,
  credentials: Credentials,
  timeoutMs: number,
  request: Request<unknown>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const connection = new Connection(
      {
        server: { host: server.host, port: server.port },
        tls: null,
        handshake: encodeHandshake(credentials, timeoutMs, 0n),
        openTimeoutMs: 20_000,
        clock: systemClock,
      },
      {
        onOpen: (handshake) => {
          if (handshake.timeoutMs > 0) connection.send(encodeRequest(1, request));
          else connection.end(new SessionEndedError("the session had ended before"));
        },
        onFrame: () => {
          answered = true;
          connection.end(new Error("done"));
        },
        onTick: () => {},
        onEnd: (reason) => (answered ? resolve() : reject(reason)),
      },
    );
  });
}
