// The same four calls, made by our session and by node-zookeeper-client's public API.
import { Buffer } from "node:buffer";
import zookeeper from "node-zookeeper-client";
import { silentLogger } from "../../../lib/std/logger.ts";
import { connectSession } from "../../../lib/zookeeper/session.ts";
import type { Operation, Session } from "../../../lib/zookeeper/types.ts";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";

/** A kilobyte: about what a node's or a request's document has. */
export const DATA = Buffer.alloc(1024, "x");
export const CALL_NAMES = ["create", "set", "get", "multi"] as const;
const SESSION_TIMEOUT = 10_000;

export type Calls = Readonly<Record<(typeof CALL_NAMES)[number], () => Promise<unknown>>>;
export type PlainClient = ReturnType<typeof zookeeper.createClient>;

export async function openSession(server: ZooKeeperServer): Promise<Session> {
  const session = connectSession({
    servers: [server],
    sessionTimeoutMs: SESSION_TIMEOUT,
    logger: silentLogger,
  });
  await session.connected();
  return session;
}

export async function openPlain(server: ZooKeeperServer): Promise<PlainClient> {
  const client = zookeeper.createClient(server.connectString, { sessionTimeout: SESSION_TIMEOUT });
  await new Promise<void>((resolve) => {
    client.once("connected", resolve);
    client.connect();
  });
  return client;
}

/** Calls on and below a path that exists. */
export function ourCalls(session: Session, path: string): Calls {
  const steps: Operation[] = [
    { kind: "create", path: `${path}/t-`, data: DATA, mode: "persistent" },
    { kind: "set", path, data: DATA, version: -1 },
    { kind: "delete", path: `${path}/t-`, version: -1 },
  ];
  return {
    create: () => session.create(`${path}/n-`, DATA, "persistent-sequential"),
    set: () => session.set(path, DATA, -1),
    get: () => session.get(path),
    multi: () => session.multi(steps),
  };
}

/** The same calls with the same bytes. */
export function plainCalls(client: PlainClient, path: string): Calls {
  const sequential = zookeeper.CreateMode.PERSISTENT_SEQUENTIAL;
  return {
    create: () => promised((done) => client.create(`${path}/n-`, DATA, sequential, done)),
    set: () => promised((done) => client.setData(path, DATA, -1, done)),
    get: () => promised((done) => client.getData(path, done)),
    multi: () =>
      promised((done) =>
        client
          .transaction()
          .create(`${path}/t-`, DATA)
          .setData(path, DATA, -1)
          .remove(`${path}/t-`, -1)
          .commit(done),
      ),
  };
}

/** A call of node-zookeeper-client as a promise. */
export function promised<T>(start: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)));
  });
}
