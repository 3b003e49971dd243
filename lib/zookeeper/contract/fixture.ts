// What the contract's cases share.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLogger } from "../../std/logger.ts";
import type { ServerAddress, TlsFiles } from "../connection.ts";
import { connectSession, type ZooKeeperSession } from "../session.ts";
import { isZooKeeperError, type Session, type SessionState, type ZooKeeperErrorCode } from "../types.ts";
import { takeOverAndClose } from "./raw_session.ts";

/** How often a server of the contract looks for containers and znodes whose time is over, in milliseconds. */
export const REAP_INTERVAL_MS = 200;

/**
 * The timeout of the contract's sessions, which its servers must grant: they outlive a restart of their server, however
 * busy the machine is. A case that is about the end of a session ends it, and waits for no timeout.
 */
export const LONGEST_SESSION_MS = 40_000;
/** How long anything is waited for that comes at once on an idle machine. */
export const PATIENCE_MS = 30_000;

/** A server that the contract runs against. */
export interface ContractServer {
  readonly host: string;
  readonly port: number;
  /** The port for TLS and a client's files for it: where there is one, sessions go there. */
  readonly secure?: { readonly port: number; readonly tls: TlsFiles };
  /** Stops it and starts it again on the same port with the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Where no server is. */
const NOWHERE = { host: "127.0.0.1", port: 1 };

/** Starts a server with no data. */
export type StartServer = () => Promise<ContractServer>;

/** One server for all cases of a group; each case works below a path of its own. */
export class Fixture {
  readonly #startServer: StartServer;
  #server: ContractServer | undefined;
  #sessions: ZooKeeperSession[] = [];
  #cases = 0;

  constructor(startServer: StartServer) {
    this.#startServer = startServer;
  }

  get server(): ContractServer {
    if (this.#server === undefined) throw new Error("the server has not been started");
    return this.#server;
  }

  get #address(): ServerAddress {
    const { host, port, secure } = this.server;
    return { host, port: secure?.port ?? port };
  }

  async start(): Promise<void> {
    this.#server = await this.#startServer();
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  /** Ends the sessions of one case. */
  async endCase(): Promise<void> {
    const sessions = this.#sessions;
    this.#sessions = [];
    await Promise.all(sessions.map((session) => session.close()));
  }

  /** A connected session, closed at the end of the case. */
  async session(options: { chroot?: string } = {}): Promise<ZooKeeperSession> {
    const session = connectSession({
      servers: [this.#address],
      tls: this.server.secure?.tls ?? null,
      chroot: options.chroot,
      sessionTimeoutMs: LONGEST_SESSION_MS,
      logger: silentLogger,
    });
    this.#sessions.push(session);
    await within(PATIENCE_MS, session.connected(), "connect");
    return session;
  }

  /** A new path that exists. */
  async place(session: Session): Promise<string> {
    this.#cases += 1;
    const path = `/contract/case${this.#cases}`;
    await session.ensurePath(path);
    return path;
  }

  /** Restarts the server; resolves when it serves again and every session of the case has noticed. */
  async restart(): Promise<void> {
    const noticed = this.#sessions.map((session) => untilState(session, "suspended"));
    await this.server.restart();
    await within(PATIENCE_MS, Promise.all(noticed), "notice that the server was restarted");
  }

  /**
   * Ends a session as a timeout would; resolves when its owner has heard of it and has a new one. The owner is kept away
   * meanwhile, for it would take its session back.
   */
  async expire(session: ZooKeeperSession): Promise<void> {
    const lost = untilState(session, "lost");
    session.useServers([NOWHERE]);
    await takeOverAndClose(this.server, session.credentials);
    session.useServers([this.#address]);
    await within(PATIENCE_MS, lost, "hear that the session is lost");
    await within(PATIENCE_MS, session.connected(), "connect again");
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const textOf = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Resolves when the session is in a state for the next time. */
export function untilState(session: Session, wanted: SessionState): Promise<void> {
  return new Promise((resolve) => {
    const stop = session.onState((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}

/** Fails with what was waited for instead of hanging. */
export async function within<T>(milliseconds: number, promise: Promise<T>, what: string): Promise<T> {
  const waiting = new AbortController();
  const limit = sleep(milliseconds, undefined, { signal: waiting.signal }).then(() => {
    throw new Error(`waited ${milliseconds} ms in vain: ${what}`);
  });
  limit.catch(() => undefined);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    waiting.abort();
  }
}

/** Resolves when the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain: ${what}`);
    await sleep(10);
  }
}

export const pause = (milliseconds: number): Promise<void> => sleep(milliseconds);

/** Expects a ZooKeeper error with this code. */
export async function refused(promise: Promise<unknown>, code: ZooKeeperErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isZooKeeperError(error), `not a ZooKeeper error: ${error}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
