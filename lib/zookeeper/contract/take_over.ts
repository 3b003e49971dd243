import { systemClock } from "../../std/clock.ts";
import { Connection, type ServerAddress } from "../connection.ts";
import { type Credentials, encodeHandshake, encodeRequest, requests } from "../wire.ts";

/**
 * Ends somebody else's session, as tests need it: connects with that session's credentials (the server moves the
 * session here and drops the other connection) and closes it. The owner then finds that it has expired.
 */
export function takeOverAndClose(server: ServerAddress, credentials: Credentials): Promise<void> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const connection = new Connection(
      {
        server: { host: server.host, port: server.port },
        tls: null,
        handshake: encodeHandshake(credentials, 4000, 0n),
        openTimeoutMs: 5000,
        clock: systemClock,
      },
      {
        onOpen: ({ timeoutMs }) => {
          if (timeoutMs > 0) connection.send(encodeRequest(1, requests.closeSession()));
          else connection.end(new Error("the session had ended before"));
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
