// A single-process server that speaks ZooKeeper's protocol: for a first try, for a laptop, for tests.
import { mkdirSync } from "node:fs";
import type { Server } from "node:net";
import { lockDirectory } from "../../host/directory_lock.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import { DamagedDataError } from "./recovery.ts";
import { type EmbeddedServerOptions, Service } from "./service.ts";

export type { EmbeddedServerOptions } from "./service.ts";

export interface EmbeddedServer {
  readonly host: string;
  readonly port: number;
  /** Expires a session now, as if its client had been silent for too long; false when there is no such session. */
  expireSession(id: bigint): boolean;
  /** Stops; sessions stay on disk, so that their clients may come back to the next server on this directory. */
  close(): Promise<void>;
}

/**
 * Starts a server on a data directory.
 * @throws DirectoryInUseError, DamagedDataError, or an Error that says what is wrong with directory or address
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { dataDir, host = "127.0.0.1", port = 0 } = options;
  const unlock = await takeDirectory(dataDir, options.clock ?? systemClock);
  let service: Service;
  try {
    service = new Service(options);
  } catch (error) {
    unlock();
    if (error instanceof DamagedDataError) throw error;
    throw new Error(`cannot use ${dataDir} for ZooKeeper's data: ${messageOf(error)}`);
  }
  const close = async () => {
    await service.close();
    unlock();
  };
  try {
    const bound = await listen(service.listener, host, port);
    options.logger.info("embedded ZooKeeper is listening", { host, port: bound, directory: dataDir });
    return { host, port: bound, expireSession: (id) => service.endSession(id), close };
  } catch (error) {
    await close();
    throw new Error(`the embedded ZooKeeper cannot listen on ${host}:${port}: ${messageOf(error)}`);
  }
}

async function takeDirectory(directory: string, clock: Clock): Promise<() => void> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return await lockDirectory(directory, "server", clock);
  } catch (error) {
    if (error instanceof Error && error.name === "DirectoryInUseError") throw error;
    throw new Error(
      `cannot keep ZooKeeper's data in ${directory}: ${messageOf(error)}. ` +
        "Choose a directory that this user may write to, on a disk with room.",
    );
  }
}

function listen(listener: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(port, host, () => {
      listener.removeListener("error", reject);
      const address = listener.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
