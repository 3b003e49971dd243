// Runs a builder or a launcher from the first flag to the exit code.
//
// Invariants:
//   D1. The address is taken before anything is begun: two daemons do not start on one address.
//   D2. Health tells SERVING only while the service runs, ZooKeeper is there and the view is current.
//   D3. The end goes in this order: calls, service, providers, session (its locks last), telemetry. A second signal,
//       or a time a little longer than the grace, ends the process wherever it is.
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { type Config, ConfigError, formatProblem } from "../config/types.ts";
import { AddressError } from "../rpc/address.ts";
import { configService } from "../rpc/config_service.ts";
import { type LateServices, lateServices, SERVICE_DEFINITIONS } from "../rpc/late_service.ts";
import { createRpcServer, type RpcServer } from "../rpc/server.ts";
import { abortable } from "../std/abortable.ts";
import { atMost } from "../std/at_most.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { createLogger } from "../telemetry/logger.ts";
import { startTelemetry } from "../telemetry/setup.ts";
import { turnWriter } from "../telemetry/turn_writer.ts";
import { openServiceContext, serversOf } from "./context.ts";
import { type DaemonFlags, helpText, type NumberFlag, parseFlags, UsageError } from "./flags.ts";
import { type FollowedConfig, followConfig } from "./follow_config.ts";
import { fullHostName, instanceName } from "./host_name.ts";
import { type DaemonProcess, EXIT } from "./process.ts";
import { followReadiness } from "./readiness.ts";
import { Stopping, startGrace } from "./stopping.ts";
import type { Service, ServiceContext } from "./types.ts";
import { readVersion } from "./version.ts";

const DEFAULT_LISTEN = { builder: "127.0.0.1:8991", launcher: "127.0.0.1:8990" } as const;

/**
 * For how long after its start a daemon lets calls wait until it serves, in milliseconds: it takes connections from the
 * beginning, so a proxy sends it its share. Later they hear at once what it waits for.
 */
const START_PATIENCE_MS = 5000;

/** What `main.ts` says about its daemon. */
export interface DaemonOptions {
  readonly name: "builder" | "launcher";
  /** Node's `process`. */
  readonly process: DaemonProcess;
  /** Starts the service; `numbers` are the values of the daemon's own flags. */
  readonly start: (context: ServiceContext, numbers: Readonly<Record<string, number>>) => Promise<Service>;
  /** Flags of this daemon only, by name without dashes. */
  readonly numbers?: Readonly<Record<string, NumberFlag>>;
}

/** Runs the daemon and ends the process. Resolves after `process.exit` was called. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { process: host, name } = options;
  const program = `nodepool-${name}`;
  const defaults = { listen: DEFAULT_LISTEN[name], numbers: options.numbers ?? {} };
  try {
    const flags = parseFlags(host.argv.slice(2), defaults);
    if (flags.wants === "help") {
      host.stdout.write(helpText(program, defaults));
      host.exit(EXIT.ok);
    } else if (flags.wants === "version") {
      host.stdout.write(`Nodepool version: ${readVersion()}\n`);
      host.exit(EXIT.ok);
    } else {
      await run(options, flags, program);
    }
  } catch (error) {
    host.stderr.write(`${program}: ${problemText(error, program)}\n`);
    host.exit(exitCodeFor(error));
  }
}

function problemText(error: unknown, program: string): string {
  if (error instanceof UsageError) return `${error.message}\nTry '${program} --help'.`;
  if (error instanceof ConfigError) {
    const lines = error.problems.map((problem) => `  ${formatProblem(problem)}`);
    return `the configuration cannot be used:\n${lines.join("\n")}`;
  }
  return messageOf(error);
}

function exitCodeFor(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof ConfigError) return EXIT.config;
  if (error instanceof AddressError) return EXIT.unavailable;
  if (error instanceof PidFileError) return EXIT.cannotCreate;
  return EXIT.software;
}

async function run(options: DaemonOptions, flags: DaemonFlags, program: string): Promise<void> {
  const { process: host } = options;
  let followed: FollowedConfig | null = null;
  // From the first moment: where nobody listens, the signal ends the process. What has changed during the start is read
  // at its end.
  host.on("SIGHUP", () => followed?.reload("SIGHUP"));
  const clock = systemClock;
  const files = { ...(flags.secure === null ? {} : { secureFile: flags.secure }), env: host.env };
  const config = await loadConfig(flags.config, files);
  // Whoever reads the log may go away; the daemon goes on.
  for (const stream of [host.stdout, host.stderr]) stream.on("error", () => {});
  const logger = createLogger({
    name: program,
    level: flags.logLevel,
    format: flags.logFormat ?? (host.stdout.isTTY ? "text" : "json"),
    destination: turnWriter(host.stdout, host, (lines) => {
      logger.warn("log lines were dropped: nobody read standard output", { lines });
    }),
  });
  const version = readVersion();
  for (const warning of config.warnings) logger.warn("configuration", { problem: formatProblem(warning) });
  for (const ignored of flags.ignored) logger.warn("a flag is accepted and ignored", { flag: ignored });
  const instance = instanceName(randomUUID());
  const telemetry = await startTelemetry({ service: program, version, instance, env: host.env });
  const stopping = new Stopping({ host, program, logger, clock, profileFolder: tmpdir() });
  const late = lateServices(
    SERVICE_DEFINITIONS[options.name],
    () => `${program} is starting: it waits for ZooKeeper at ${serversOf({ config })} or for its providers`,
    atMost(clock, START_PATIENCE_MS, stopping.stopped),
  );
  const services = [...late.services, configService(() => followed?.control ?? null)];
  const server = createRpcServer({ services, logger });
  const onFollowed = (config: FollowedConfig) => {
    followed = config;
  };
  try {
    await server.listen(flags.listen);
    const removePidFile = writePidFile(flags.pidfile, host.pid);
    logger.info("listening", {
      address: flags.listen,
      version,
      config: config.file,
      config_hash: config.hash,
    });
    try {
      await serve({
        options,
        flags,
        files,
        config,
        version,
        clock,
        logger,
        server,
        late,
        stopping,
        onFollowed,
      });
    } finally {
      removePidFile();
    }
  } finally {
    await telemetry.shutdown();
  }
  logger.info("stopped");
  host.exit(EXIT.ok);
}

interface Serving {
  readonly options: DaemonOptions;
  readonly flags: DaemonFlags;
  readonly files: LoadOptions;
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly server: RpcServer;
  readonly late: LateServices;
  readonly stopping: Stopping;
  readonly onFollowed: (config: FollowedConfig) => void;
}

/** Starts the service, waits for the signal to stop, and brings everything to its end. */
async function serve(serving: Serving): Promise<void> {
  const { clock, config, flags, late, logger, options, server, stopping, version } = serving;
  const { signal } = stopping;
  const { env } = options.process;
  const stopped = stopping.stopped.then(() => startGrace(stopping, clock, flags.grace));
  let end = async (_grace: AbortSignal) => {};
  try {
    const hostname = await fullHostName();
    const newUuid = () => randomUUID();
    const opened = await openServiceContext({
      config,
      logger,
      clock,
      hostname,
      version,
      newUuid,
      signal,
      env,
      hostsInstances: options.name === "launcher",
    });
    end = () => opened.close();
    // A start that waits for ZooKeeper ends with its session.
    const service = await abortable(options.start(opened.context, flags.numbers), signal);
    late.bind(service.rpc);
    const { session, view } = opened.context;
    const unfollow = followReadiness({ session, view, clock, setServing: server.setServing });
    const { files, onFollowed } = serving;
    const { setServing } = server;
    const followed = followConfig({ config, files, clock, logger, signal, opened, service, setServing });
    onFollowed(followed);
    end = async (grace) => {
      unfollow();
      await followed.close(() =>
        service.stop(grace).catch((error) => logger.error("the service did not stop in order", { error })),
      );
      await opened.close();
    };
    logger.info("serving", { hostname, unserved: opened.context.unserved.map(({ name }) => name) });
    await stopping.stopped;
  } catch (error) {
    if (!signal.aborted) {
      stopping.stop("a failure");
      throw error;
    }
    logger.debug("the start was given up", { error });
  } finally {
    const grace = await stopped;
    await server.stop(Math.min(5000, flags.grace * 1000));
    await end(grace.signal);
    grace.release();
  }
}

/** The pid file cannot be written. */
class PidFileError extends Error {
  override name = "PidFileError";
}

function writePidFile(path: string | null, pid: number): () => void {
  if (path === null) return () => {};
  try {
    writeFileSync(path, `${pid}\n`);
  } catch (error) {
    throw new PidFileError(`cannot write the pid file ${path}: ${messageOf(error)}`);
  }
  return () => {
    // Another daemon may have been started with the same file; it is that one's then.
    if (readPid(path) === pid) rmSync(path, { force: true });
  };
}

function readPid(path: string): number | null {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
