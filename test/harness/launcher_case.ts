// One test case about launchers: a chroot of its own on a shared ZooKeeper, an image that is ready, and the calls
// that clients make.
import assert from "node:assert/strict";
import type { CallContext } from "nice-grpc";
import { ServerError, Status } from "nice-grpc-common";
import { REQUESTS } from "../../lib/model/paths.ts";
import { encodeRequest, newRequest, type RequestRecord } from "../../lib/model/request.ts";
import type { CallEnd } from "../../lib/rpc/call_limit.ts";
import { durationOf } from "../../lib/rpc/duration.ts";
import type { Node } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import type { NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { NodeRequest as NodeRequestMessage } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { FakeProvider } from "./fake_provider.ts";
import {
  putImage,
  type ReadConfig,
  type Setting,
  startTestLauncher,
  type TestLauncher,
  until,
} from "./launcher.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";

let cases = 0;

/** A call without metadata that nobody cancels. */
export const callContext = {
  signal: new AbortController().signal,
  deadline: Number.POSITIVE_INFINITY,
  draining: new AbortController().signal,
} as CallContext & CallEnd;

export class LauncherCase {
  readonly server: ZooKeeperServer;
  readonly chroot: string;
  readonly #launchers = new Set<TestLauncher>();
  readonly #sessions: Session[] = [];

  private constructor(server: ZooKeeperServer) {
    cases += 1;
    this.server = server;
    this.chroot = `/case${cases}`;
  }

  /** Begins a case with an image that is ready at these providers. */
  static async begin(server: ZooKeeperServer, ...providers: string[]): Promise<LauncherCase> {
    const one = new LauncherCase(server);
    const outside = await one.#connect("");
    await outside.ensurePath(one.chroot);
    await putImage(await one.session(), providers);
    return one;
  }

  /** The ZooKeeper address as kazoo takes it. */
  get hosts(): string {
    return `${this.server.connectString}${this.chroot}`;
  }

  async #connect(chroot: string, sessionTimeoutMs = 6000): Promise<Session> {
    const { host, port } = this.server;
    const session = connectSession({
      servers: [{ host, port }],
      chroot,
      sessionTimeoutMs,
      logger: silentLogger,
    });
    this.#sessions.push(session);
    await session.connected();
    return session;
  }

  /**
   * A client's session of its own in the chroot.
   *
   * @param timeoutMs how long nothing may be heard of it; the server may allow less
   */
  session(timeoutMs?: number): Promise<Session> {
    return this.#connect(this.chroot, timeoutMs);
  }

  /** How many transactions ZooKeeper carries out while this is done, whoever makes them. */
  async transactionsOf(work: () => Promise<void>): Promise<number> {
    const session = await this.session();
    const mark = async () => {
      const path = await session.create("/mark", new Uint8Array(), "persistent-sequential");
      return (await session.get(path)).stat.czxid;
    };
    const begin = await mark();
    await work();
    return Number((await mark()) - begin) - 1;
  }

  async launcher(
    setting: Setting | ReadConfig,
    options: Parameters<typeof startTestLauncher>[2] = {},
  ): Promise<TestLauncher> {
    const started = await startTestLauncher(this.server, setting, { chroot: this.chroot, ...options });
    this.#launchers.add(started);
    return started;
  }

  /** Ends one launcher before the case ends. */
  async stop(launcher: TestLauncher): Promise<void> {
    this.#launchers.delete(launcher);
    await launcher.stop();
  }

  async end(): Promise<void> {
    for (const launcher of this.#launchers) await launcher.stop();
    for (const session of this.#sessions) await session.close();
  }
}

/** One provider with one pool that offers the label `small`, and `large` beside it. */
export function simple(
  driver: FakeProvider,
  more: {
    minReady?: number;
    maxServers?: number;
    launchRetries?: number;
    launchTimeout?: number;
    consoleLog?: boolean;
  } = {},
): Setting {
  const { maxServers = Infinity, launchRetries = 3, launchTimeout = 10, consoleLog = false } = more;
  const pool = { name: "main", offers: ["small", "large"], maxServers, consoleLog };
  return {
    labels: { small: { minReady: more.minReady ?? 0 }, large: {} },
    providers: [{ driver, pools: [pool], config: { launchRetries, launchTimeout } }],
  };
}

/** The nodes' states in the order of their ids. */
export function statesOf(launcher: TestLauncher): string[] {
  return [...launcher.view.nodes()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ record }) => record?.state ?? "unreadable");
}

/** Waits until the nodes have exactly these states. */
export async function untilStates(launcher: TestLauncher, ...states: string[]): Promise<void> {
  const wanted = [...states].sort().join();
  const found = () => statesOf(launcher).sort().join();
  await until(`nodes ${wanted || "gone"}`, () => found() === wanted).catch((error: Error) => {
    throw new Error(`${error.message}; they are ${found()}`);
  });
}

/** CreateRequest; the request's name. */
export async function ask(
  launcher: TestLauncher,
  labels: string[],
  more: Partial<NodeRequest> & { requestId?: string; leaseSeconds?: number } = {},
): Promise<string> {
  const { requestId = "", leaseSeconds, ...fields } = more;
  const leaseDuration = leaseSeconds === undefined ? undefined : durationOf(leaseSeconds);
  const request = { ...NodeRequestMessage.fromPartial({ labels, requestor: "tester" }), ...fields };
  const call = { request, requestId, leaseDuration, waitDuration: undefined };
  const reply = await launcher.requests.createRequest(call, callContext);
  assert.ok(reply.request?.name);
  return reply.request.name;
}

/** A request as Zuul makes it, without our API; its id. */
export async function askAsZuul(launcher: TestLauncher, more: Partial<RequestRecord>): Promise<string> {
  const record = newRequest(Date.now() / 1000, { requestor: "zuul", ...more });
  const path = `${REQUESTS}/200-`;
  return idOf(await launcher.session.create(path, encodeRequest(record), "persistent-sequential"));
}

/** GetRequest. */
export async function look(launcher: TestLauncher, name: string) {
  const reply = await launcher.requests.getRequest({ name }, callContext);
  assert.ok(reply.request);
  return { request: reply.request as NodeRequest, nodes: (reply.nodes ?? []) as Node[] };
}

/**
 * Waits until the request has its nodes, at most so many milliseconds. As clients do, it asks again where the launcher
 * has no connection to ZooKeeper.
 */
export async function fulfilled(launcher: TestLauncher, name: string, patience?: number): Promise<Node[]> {
  const check = async () => {
    const found = await look(launcher, name).catch(nothingWhenUnavailable);
    if (found === null) return null;
    const { request, nodes } = found;
    if (request.state === "STATE_FAILED") throw new Error(`${name} failed: ${request.reason}`);
    return request.state === "STATE_FULFILLED" ? nodes : null;
  };
  return await until(`${name} fulfilled`, check, patience);
}

function nothingWhenUnavailable(error: unknown): null {
  if (isUnavailable(error)) return null;
  throw error;
}

/** Whether a launcher that is called without the server between has answered as to a call that is to be made again. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ServerError && error.code === Status.UNAVAILABLE;
}

/** ReleaseRequest; the names of the nodes that are on their way out. Waits so many seconds at most until there are none. */
export async function release(
  launcher: TestLauncher,
  name: string,
  waitSeconds?: number,
): Promise<readonly string[]> {
  const waitDuration = waitSeconds === undefined ? undefined : durationOf(waitSeconds);
  const call = { name, fault: "", waitDuration };
  const { nodes = [] } = await launcher.requests.releaseRequest(call, callContext);
  return nodes;
}

/** The id in a resource name. */
export function idOf(name: string | undefined): string {
  return name?.split("/").at(-1) ?? "";
}
