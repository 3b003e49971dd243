// The SSH server of one node, in this process: public-key login only, on loopback only.
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import ssh2, { type AuthContext, type Connection, type ParsedKey, type PublicKeyAuthContext } from "ssh2";
import type { Clock } from "../../../std/clock.ts";
import { messageOf } from "../../../std/errors.ts";
import type { Logger } from "../../../std/logger.ts";
import { type Account, authorizedKeys, findAccount } from "./accounts.ts";
import type { CommandRunner, RunningCommand } from "./runner.ts";
import { abandon, serveSession } from "./ssh_session.ts";

const LOGIN_GRACE_MS = 60_000;
const MAXIMUM_ATTEMPTS = 20;
const MAXIMUM_CONNECTIONS = 100;

/** What a node's server serves. */
export interface SshServerOptions {
  readonly node: { readonly name: string; readonly root: string };
  /** Private keys in OpenSSH's format. */
  readonly hostKeys: readonly string[];
  /** 0: one that the system chooses. */
  readonly port: number;
  readonly runner: CommandRunner;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** How long a killed command's output may stay open, in milliseconds. */
const COMMAND_END_MS = 5000;

/** A server that listens. */
export interface SshServer {
  readonly port: number;
  /** Ends every connection and command, and resolves when the socket is closed. */
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1.
 * @throws {Error} with code EADDRINUSE when the port is taken
 */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const sockets = new Set<Socket>();
  const commands = new Set<RunningCommand>();
  const ssh = new ssh2.Server(
    { hostKeys: [...options.hostKeys], ident: "nodepool" },
    (connection, client) => {
      serveConnection(connection, `${client.ip} ${client.port} 127.0.0.1 ${port}`, options, commands);
    },
  );
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (sockets.size > MAXIMUM_CONNECTIONS) socket.destroy();
    else ssh.injectSocket(socket);
  });
  const port = await listen(server, options.port);
  return {
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await Promise.all([...commands].map((command) => endCommand(command, options.clock)));
    },
  };
}

/** Children of a command's first process may outlive it for a moment: whoever holds its output is there still. */
async function endCommand(command: RunningCommand, clock: Clock): Promise<void> {
  abandon(command);
  const patience = new AbortController();
  const limit = clock.sleep(COMMAND_END_MS, patience.signal).catch(() => {});
  await command.exited;
  await Promise.race([command.closed, limit]);
  patience.abort();
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/**
 * Serves one connection; what it runs ends with it.
 * @param allCommands where every command under way is noted, beside those of other connections
 * @param addresses as in SSH_CONNECTION: the client's address and port, then the server's
 */
function serveConnection(
  connection: Connection,
  addresses: string,
  options: SshServerOptions,
  allCommands: Set<RunningCommand>,
): void {
  const { node, runner, logger, clock } = options;
  const commands = new Set<RunningCommand>();
  let account: Account | null = null;
  let attempts = 0;
  const stopWaiting = clock.after(LOGIN_GRACE_MS, () => connection.end());
  connection.on("error", (error: Error) =>
    logger.debug("ssh connection failed", { error: messageOf(error) }),
  );
  connection.once("close", () => {
    stopWaiting();
    for (const command of commands) abandon(command);
  });
  connection.on("authentication", (attempt) => {
    attempts += 1;
    if (attempts > MAXIMUM_ATTEMPTS) {
      connection.end();
      return;
    }
    authenticate(node.root, attempt).then(
      (found) => {
        if (found !== null && isSigned(attempt)) account = found;
        if (found === null) attempt.reject(["publickey"]);
        else attempt.accept();
      },
      (error: unknown) => {
        logger.warn("login could not be checked", { error: messageOf(error) });
        attempt.reject(["publickey"]);
      },
    );
  });
  connection.once("ready", () => {
    stopWaiting();
    const login = account;
    if (login === null) {
      connection.end();
      return;
    }
    logger.info("login", { user: login.name, addresses });
    connection.on("session", (accept) => {
      serveSession(
        accept(),
        async (command, environment, terminal) => {
          const environmentOfLogin = { ...environment, SSH_CONNECTION: addresses };
          const request = { account: login, command, environment: environmentOfLogin, terminal };
          const running = await runner.run(node, request);
          for (const list of [commands, allCommands]) {
            list.add(running);
            running.exited.then(() => running.closed).then(() => list.delete(running));
          }
          return running;
        },
        process.platform === "linux",
      );
    });
  });
}

const isSigned = (attempt: AuthContext) => attempt.method === "publickey" && attempt.signature !== undefined;

/** The account that this attempt may log in to, or, for a key that is only offered, could; else null. */
async function authenticate(root: string, attempt: AuthContext): Promise<Account | null> {
  if (attempt.method !== "publickey") return null;
  const account = await findAccount(root, attempt.username);
  if (account === null) return null;
  const key = (await authorizedKeys(root, account)).find((known) => isSame(known, attempt));
  if (key === undefined) return null;
  if (attempt.signature === undefined) return account;
  if (attempt.blob === undefined) return null;
  return key.verify(attempt.blob, attempt.signature, attempt.hashAlgo) === true ? account : null;
}

function isSame(known: ParsedKey, { key }: PublicKeyAuthContext): boolean {
  return known.getPublicSSH().equals(key.data);
}
