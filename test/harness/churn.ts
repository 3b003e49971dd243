// Sessions, locks, views and waits made and given back over and over on a real server, and counts of what is left.
import { getEventListeners } from "node:events";
import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { NODES, nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { isZooKeeperError, type LockOptions, type Locks } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { again } from "../simulation/simulated_client.ts";
import { TcpProxy } from "./tcp_proxy.ts";
import { fourLetterWord, type ZooKeeperServer } from "./zookeeper.ts";

const WORKERS = 4;
const SESSION_TIMEOUT_MS = 2000;
/** The view's own: ZooKeeper counts a watch that is persistent and recursive twice. */
const WATCHES = 2;
/** How long a server may take to notice what is gone: a connection that has ended, and its watches with it. */
const PATIENCE_MS = 30_000;
const DOCUMENT = encodeNode(newNode(1, { state: "ready", type: ["small"], provider: "cloud" }));

/** What there is when nothing is under way. Only `heapMb` may differ from one rest to the next. */
export interface Rest {
  /** On the server. */
  readonly znodes: number;
  readonly watches: number;
  readonly ephemerals: number;
  readonly contenders: number;
  /** On the signal that every call of every worker has been given. */
  readonly abortListeners: number;
  /** On the workers' sessions. */
  readonly stateListeners: number;
  /** Of this process, after a collection. */
  readonly heapMb: number;
}

interface Worker {
  readonly proxy: TcpProxy;
  readonly session: ZooKeeperSession;
  readonly locks: Locks;
}

export class Churn {
  readonly #server: ZooKeeperServer;
  readonly #witness: ZooKeeperSession;
  readonly #workers: Worker[] = [];
  /** Lives as long as the run: whoever listens to it and does not stop is a leak. */
  readonly #running = new AbortController();
  #view: View | undefined;
  #stateListeners = 0;
  #made = 0;

  constructor(server: ZooKeeperServer) {
    this.#server = server;
    this.#witness = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
  }

  async start(): Promise<void> {
    await this.#witness.ensurePath(NODES);
    for (let index = 0; index < WORKERS; index += 1) {
      const proxy = new TcpProxy(this.#server);
      await proxy.listen();
      const session = this.#counted(
        connectSession({ servers: [proxy], sessionTimeoutMs: SESSION_TIMEOUT_MS, logger: silentLogger }),
      );
      await session.connected();
      this.#workers.push({ proxy, session, locks: createLocks(session) });
    }
    const [first] = this.#workers;
    if (first !== undefined) this.#view = openView(first.session, silentLogger);
    await this.#view?.ready();
  }

  /**
   * Every worker makes so many nodes and ends them, while others wait for their locks and their end; meanwhile a
   * connection is cut, a session ends, and a second view comes and goes. Then tells what is left.
   */
  async lap(lives: number): Promise<Rest> {
    const [first, second, third] = this.#workers;
    await Promise.all([
      ...this.#workers.map((worker, index) => this.#work(worker, index, lives)),
      this.#openAndCloseView(second),
      this.#cut(first),
      third && this.#server.expire(third.session),
    ]);
    // A worker whose session was ended from outside must hear of it and begin anew.
    await Promise.all(this.#workers.map(({ session }) => this.#answered(session)));
    await this.#view?.ready();
    return await this.#rest();
  }

  async close(): Promise<void> {
    this.#running.abort();
    await this.#view?.close();
    await Promise.all(this.#workers.map(({ session }) => session.close()));
    await Promise.all(this.#workers.map(({ proxy }) => proxy.close()));
    await this.#witness.close();
  }

  async #work(worker: Worker, index: number, lives: number): Promise<void> {
    const other = this.#workers[(index + 1) % this.#workers.length] ?? worker;
    for (let life = 0; life < lives; life += 1) {
      this.#made += 1;
      const node = String(this.#made).padStart(10, "0");
      await settled(this.#live(worker, other, node));
      // After whatever has gone wrong, nothing of the node is kept; its creation may still be on its way to the server.
      await this.#answered(worker.session);
      await again(this.#witness, () => this.#witness.deleteRecursive(nodePath(node)));
    }
  }

  async #live(worker: Worker, other: Worker, node: string): Promise<void> {
    const { signal } = this.#running;
    const root = nodeLockPath(node);
    const steps = worker.locks.prepare(root, "churn");
    const made = await worker.session.multi([
      { kind: "create", path: nodePath(node), data: DOCUMENT, mode: "persistent" },
      ...steps.operations,
    ]);
    const lock = steps.held(made.slice(1));
    const gone = settled(other.session.gone(nodePath(node), signal));
    const impatient = settled(this.#take(other, root, { timeout: 5, signal }));
    const givesUp = new AbortController();
    const either = AbortSignal.any([signal, givesUp.signal]);
    const cancelled = settled(this.#take(other, root, { timeout: 60_000, signal: either }));
    const next = settled(this.#takeAndWrite(other, node));
    try {
      await worker.session.multi([
        lock.guard(),
        { kind: "set", path: nodePath(node), data: DOCUMENT, version: -1 },
      ]);
      await settled(impatient);
    } finally {
      givesUp.abort();
      await settled(lock.release());
      await Promise.all([cancelled, next]);
      await again(this.#witness, () => this.#witness.deleteRecursive(nodePath(node)));
      await gone;
    }
  }

  /** Waits for a lock, and gives it back if it comes after all. */
  async #take({ locks }: Worker, root: string, options: LockOptions): Promise<void> {
    const lock = await locks.acquire(root, options);
    await lock?.release();
  }

  /** Waits for the lock, and writes the node under it. */
  async #takeAndWrite({ session, locks }: Worker, node: string): Promise<void> {
    const lock = await locks.acquire(nodeLockPath(node), { timeout: 5000, signal: this.#running.signal });
    if (lock === null) return;
    try {
      await session.multi([lock.guard(), { kind: "set", path: nodePath(node), data: DOCUMENT, version: -1 }]);
    } finally {
      await lock.release();
    }
  }

  async #openAndCloseView(worker: Worker | undefined): Promise<void> {
    if (worker === undefined) return;
    const view = openView(worker.session, silentLogger);
    await settled(view.ready(this.#running.signal));
    await view.close();
  }

  async #cut(worker: Worker | undefined): Promise<void> {
    if (worker === undefined) return;
    worker.proxy.mode = "cut";
    await new Promise((resolve) => setTimeout(resolve, 50));
    worker.proxy.mode = "pass";
  }

  /**
   * Resolves when the session has an answer to a call of now: what it had under way before is done, or went with it
   * when it ended, and then it has begun anew.
   */
  async #answered(session: ZooKeeperSession): Promise<void> {
    await again(session, async () => {
      await session.connected();
      await session.sync(NODES).catch((error: unknown) => {
        if (!isZooKeeperError(error, "SESSION_EXPIRED")) throw error;
      });
      await session.connected();
    });
  }

  /** Counts who listens to a session's state and has not stopped. */
  #counted(session: ZooKeeperSession): ZooKeeperSession {
    const onState = session.onState.bind(session);
    session.onState = (listener) => {
      this.#stateListeners += 1;
      let stop: (() => void) | undefined = onState(listener);
      return () => {
        if (stop === undefined) return;
        this.#stateListeners -= 1;
        stop();
        stop = undefined;
      };
    };
    return session;
  }

  /** What is left when the server has noticed what is gone, or will not: what is really left stays. */
  async #rest(): Promise<Rest> {
    const end = performance.now() + PATIENCE_MS;
    while (true) {
      const rest = await this.#count();
      const isQuiet = rest.ephemerals === 0 && rest.contenders === 0 && rest.watches <= WATCHES;
      if (isQuiet || performance.now() > end) return rest;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #count(): Promise<Rest> {
    const contenders = (await this.#witness.children(NODES)).length;
    const answer = await fourLetterWord(this.#server.port, "mntr");
    const figure = (name: string) => Number(new RegExp(`^${name}\\t(\\d+)$`, "m").exec(answer)?.[1]);
    return {
      znodes: figure("zk_znode_count"),
      watches: figure("zk_watch_count"),
      ephemerals: figure("zk_ephemerals_count"),
      contenders,
      abortListeners: getEventListeners(this.#running.signal, "abort").length,
      stateListeners: this.#stateListeners,
      heapMb: heapMb(),
    };
  }
}

/** Megabytes in use after a full collection. */
function heapMb(): number {
  v8.setFlagsFromString("--expose-gc");
  (vm.runInNewContext("gc") as () => void)();
  return Number((process.memoryUsage().heapUsed / 2 ** 20).toFixed(2));
}

/** Resolves when a call has ended in any way that ZooKeeper's calls may. */
async function settled(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    const isAborted = error instanceof Error && error.name === "AbortError";
    if (!isZooKeeperError(error) && !isAborted) throw error;
  });
}
