// The gRPC server of a daemon: its services, and what every server has: health, reflection, limits, an orderly end.
import { setLogger } from "@grpc/grpc-js";
import { createServer, type Server } from "nice-grpc";
import { type Clock, systemClock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import { listenError, parseAddress, removeStaleSocket, unixPath } from "./address.ts";
import { deadlineInterceptor } from "./call_limit.ts";
import { gatherWrites } from "./gathered_writes.ts";
import { HealthDefinition } from "./gen/grpc/health/v1/health.ts";
import { Health } from "./health.ts";
import { reflectionService } from "./reflection.ts";
import { serverCallMiddleware } from "./server_call.ts";
import type { RpcService } from "./service.ts";

const MINUTE = 60_000;

// gRPC leaves these unlimited or off; a server that runs for months cannot.
const LIMITS = {
  "grpc.max_concurrent_streams": 1000,
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
  "grpc.max_send_message_length": 4 * 1024 * 1024,
  "grpc.keepalive_time_ms": 2 * MINUTE,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_connection_idle_ms": 15 * MINUTE,
  "grpc.max_connection_age_ms": 60 * MINUTE,
  "grpc.max_connection_age_grace_ms": 5 * MINUTE,
} as const;

/** What a server is made of. */
export interface RpcServerOptions {
  readonly services: readonly RpcService[];
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Milliseconds that a unary call may take when its caller set no deadline. @default 30000 */
  readonly defaultDeadlineMs?: number;
}

/** A gRPC server. It begins as not serving. */
export interface RpcServer {
  /**
   * Listens on `HOST:PORT`, `[IPv6]:PORT` or `unix:/PATH` and returns the port (for a socket, a number without
   * meaning). Port 0 takes a free one. @throws {AddressError} in one sentence
   */
  listen(address: string): Promise<number>;
  /** What health tells of every service, or of the one matter that is named. */
  setServing(serving: boolean, matter?: string): void;
  /**
   * Ends it: health tells NOT_SERVING, streams end with UNAVAILABLE, callers are told to make no more calls, unary calls
   * that came in before may finish within `graceMs` (milliseconds), then whatever is left is cut off. Resolves when all
   * connections are closed.
   */
  stop(graceMs: number): Promise<void>;
}

/** Makes a server for these services, with health and reflection. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const clock = options.clock ?? systemClock;
  const names = options.services.map(({ definition }) => serviceName(definition));
  const health = new Health(names);
  const ending = new AbortController();
  sendLibraryLogTo(options.logger);
  let gatherNoMore = () => {};
  let draining = false;
  const server = createServer({ ...LIMITS, interceptors: [deadlineInterceptor] } as typeof LIMITS).use(
    serverCallMiddleware({
      logger: options.logger,
      clock,
      defaultDeadlineMs: options.defaultDeadlineMs ?? 30_000,
      draining: ending.signal,
    }),
  );
  for (const { definition, implementation } of options.services) server.add(definition, implementation);
  server.add(HealthDefinition, health.implementation());
  const reflection = reflectionService([...names, HealthDefinition.fullName]);
  server.add(reflection.definition, reflection.implementation);
  return {
    listen: async (address) => {
      const port = await listen(server, address);
      gatherNoMore = gatherWrites(port);
      return port;
    },
    setServing: (serving, matter) => health.setServing(serving && !draining, matter),
    stop: async (graceMs) => {
      draining = true;
      health.setServing(false);
      // A turn for the health watches to pass the news on before they end with the other streams.
      await clock.sleep(0);
      ending.abort();
      await shutDown(server, clock, graceMs);
      gatherNoMore();
    },
  };
}

async function listen(server: Server, address: string): Promise<number> {
  const target = parseAddress(address);
  const path = unixPath(target);
  try {
    if (path !== null) await removeStaleSocket(path);
    return await server.listen(target);
  } catch (error) {
    throw listenError(address, error);
  }
}

async function shutDown(server: Server, clock: Clock, graceMs: number): Promise<void> {
  const cancel = clock.after(graceMs, () => server.forceShutdown());
  try {
    await server.shutdown();
  } finally {
    cancel();
  }
}

// gRPC writes to stderr by itself; what matters of it reaches us as errors.
function sendLibraryLogTo(logger: Logger): void {
  const write = (...words: unknown[]) => logger.debug("grpc library", { text: words.join(" ") });
  setLogger({ error: write, info: write, debug: write });
}

/** The full name of a service, as nodepool.v1.NodeService. */
function serviceName(definition: RpcService["definition"]): string {
  if ("fullName" in definition && typeof definition.fullName === "string") return definition.fullName;
  throw new TypeError("a service definition without a full name: generate it with ts-proto");
}
