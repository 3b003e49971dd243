// Builder, launcher and an embedded coordination server in one process.
//
// Invariants:
//   A1. Nothing here knows more than a client or a daemon does: both services speak to the embedded server over its
//       socket, and the screen reads the API.
//   A2. What was started is stopped in the reverse order, also when the start fails half-way.
import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { ConfigError, formatProblem } from "../../lib/config/types.ts";
import { UsageError } from "../../lib/daemon/flags.ts";
import { type FollowedConfig, followConfig } from "../../lib/daemon/follow_config.ts";
import { fullHostName, instanceName } from "../../lib/daemon/host_name.ts";
import { type DaemonProcess, EXIT } from "../../lib/daemon/process.ts";
import { followReadiness } from "../../lib/daemon/readiness.ts";
import { Stopping, startGrace } from "../../lib/daemon/stopping.ts";
import type { Service } from "../../lib/daemon/types.ts";
import { readVersion } from "../../lib/daemon/version.ts";
import { AddressError } from "../../lib/rpc/address.ts";
import { connectClients } from "../../lib/rpc/client.ts";
import { configService } from "../../lib/rpc/config_service.ts";
import { lateServices, SERVICE_DEFINITIONS } from "../../lib/rpc/late_service.ts";
import { createRpcServer } from "../../lib/rpc/server.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { Logger } from "../../lib/std/logger.ts";
import { appendingFile } from "../../lib/telemetry/appending_file.ts";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { startTelemetry } from "../../lib/telemetry/setup.ts";
import { turnWriter } from "../../lib/telemetry/turn_writer.ts";
import { startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { startBuilder } from "../builder/builder.ts";
import { startLauncher } from "../launcher/launcher.ts";
import { parseStandaloneFlags, STANDALONE_HELP, type StandaloneFlags } from "./flags.ts";
import { followProgress } from "./follow.ts";
import { openContext } from "./open_context.ts";
import { readyNodes } from "./progress.ts";
import { plainScreen, type Screen, terminalScreen } from "./screen.ts";
import {
  checkConfig,
  makeDataFolder,
  makeLogFile,
  type Setup,
  setUp,
  startOwnEngine,
  UnavailableError,
} from "./setup.ts";
import { takeBack, type Undo } from "./take_back.ts";
import { together } from "./together.ts";

const PROGRAM = "nodepool-standalone";

/** How long everything may take to stop, in seconds. */
const GRACE = 30;

/** Runs until a signal; returns the exit code. */
export async function runStandalone(host: DaemonProcess): Promise<number> {
  try {
    const flags = parseStandaloneFlags(host.argv.slice(2));
    if (flags.wants === "help") host.stdout.write(STANDALONE_HELP);
    else if (flags.wants === "version") host.stdout.write(`Nodepool version: ${readVersion()}\n`);
    else await run(host, flags);
    return EXIT.ok;
  } catch (error) {
    host.stderr.write(`${PROGRAM}: ${problemText(error)}\n`);
    if (error instanceof UsageError) return EXIT.usage;
    if (error instanceof ConfigError) return EXIT.config;
    if (error instanceof AddressError || error instanceof UnavailableError) return EXIT.unavailable;
    return EXIT.software;
  }
}

function problemText(error: unknown): string {
  if (!(error instanceof ConfigError)) return messageOf(error);
  return `the configuration cannot be used:\n${error.problems.map((problem) => `  ${formatProblem(problem)}`).join("\n")}`;
}

/** What the parts of the start share. */
interface Start {
  /** When it began, in milliseconds. */
  readonly began: number;
  readonly host: DaemonProcess;
  readonly flags: StandaloneFlags;
  readonly dataDir: string;
  readonly logFile: string;
  readonly logger: Logger;
  readonly screen: Screen;
  readonly stopping: Stopping;
  /** Takes back what was done so far, in the reverse order. */
  readonly undo: Undo[];
}

async function run(host: DaemonProcess, flags: StandaloneFlags): Promise<void> {
  const write = (text: string) => void host.stdout.write(text);
  const began = systemClock.now();
  const dataDir = resolve(flags.data);
  await checkConfig(flags, dataDir, host.env);
  makeDataFolder(dataDir);
  const logFile = join(dataDir, "nodepool.log");
  makeLogFile(logFile);
  // Whoever reads the screen may go away, and its terminal with both streams; what is to happen then is not theirs to say.
  for (const stream of [host.stdout, host.stderr]) stream.on("error", () => {});
  const file = appendingFile(logFile, ({ lines, problem }) => {
    logger.warn("log lines were lost: the file could not be written", { lines, problem });
  });
  const logger = createLogger({
    name: PROGRAM,
    level: flags.debug ? "debug" : "info",
    format: "json",
    destination: turnWriter(file, host, () => {}),
  });
  const screen = host.stdout.isTTY === true ? terminalScreen(write) : plainScreen(write);
  const stopping = new Stopping({
    host,
    program: PROGRAM,
    logger,
    clock: systemClock,
    profileFolder: dataDir,
    endsWithTerminal: true,
  });
  const undo: Undo[] = [() => screen.close()];
  const failures: unknown[] = [];
  try {
    await start({ began, host, flags, dataDir, logFile, logger, screen, stopping, undo });
  } catch (error) {
    // A signal that came before everything had started ends the start with an error that means nothing.
    if (!stopping.signal.aborted) failures.push(error);
  }
  await takeBack(undo, (error) => {
    logger.error("a part did not stop in order", { error });
    failures.push(error);
  });
  if (failures.length > 0) throw failures[0];
}

/** A function that runs once, however often it is called. */
function onlyOnce<T>(run: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => {
    result ??= { value: run() };
    return result.value;
  };
}

/** Starts everything, waits for the wish to stop, and leaves it to the caller to undo what `undo` lists. */
async function start(parts: Start): Promise<void> {
  const { host, flags, dataDir, logFile, logger, screen, stopping, undo } = parts;
  const clock = systemClock;
  const version = readVersion();
  screen.note(`Nodepool ${version}, standalone; everything is kept in ${dataDir}`);
  const setup = await setUp(flags, dataDir, host.env, screen.note);
  for (const warning of setup.config.warnings) screen.note(`warning: ${formatProblem(warning)}`);
  const telemetry = await startTelemetry({
    service: PROGRAM,
    version,
    instance: instanceName(randomUUID()),
    env: host.env,
    write: (line) => screen.note(line.trimEnd()),
  });
  undo.push(() => telemetry.shutdown());

  const zookeeper = await startEmbeddedServer({
    dataDir: join(dataDir, "zookeeper"),
    port: flags.zookeeperPort,
    logger,
  }).catch((error: unknown) => {
    throw new UnavailableError(messageOf(error), { cause: error });
  });
  undo.push(() => zookeeper.close());
  const late = {
    builder: lateServices(SERVICE_DEFINITIONS.builder, () => "Nodepool is starting"),
    launcher: lateServices(SERVICE_DEFINITIONS.launcher, () => "Nodepool is starting"),
  };
  let followed: FollowedConfig | null = null;
  const asDaemon = [...late.builder.services, configService(() => followed?.control ?? null)];
  const everything = createRpcServer({ services: [...late.launcher.services, ...asDaemon], logger });
  const images = createRpcServer({ services: asDaemon, logger });
  const stopCalls = onlyOnce(() => Promise.all([everything.stop(2000), images.stop(2000)]));
  undo.push(stopCalls);
  await everything.listen(flags.listen);
  await images.listen(flags.builderListen);

  const engine = await startOwnEngine(setup.config, dataDir, host.env, logger);
  undo.push(() => engine.stop());
  const { adapt, opened, config } = await openContext(setup, engine, screen.note, {
    logger,
    clock,
    hostname: await fullHostName(),
    version,
    newUuid: () => randomUUID(),
    signal: stopping.signal,
    zookeeper: { host: zookeeper.host, port: zookeeper.port },
    stateDir: join(dataDir, "providers"),
    ownsInstances: true,
    env: host.env,
  });
  const { context } = opened;
  const services: Service[] = [];
  undo.push(async () => {
    const grace = startGrace(stopping, clock, GRACE);
    const stop = (service: Service) =>
      service
        .stop(grace.signal)
        .catch((error: unknown) => logger.error("the service did not stop in order", { error }));
    const stopServices = () => Promise.all(services.map(stop));
    await (followed === null ? stopServices() : followed.close(stopServices));
    await opened.close();
    grace.release();
  });
  services.push(await startBuilder(context, { env: host.env }));
  services.push(await startLauncher(context));
  late.builder.bind(services.flatMap(({ rpc }) => rpc));
  late.launcher.bind(services.flatMap(({ rpc }) => rpc));
  const setServing = (serving: boolean, matter?: string) => {
    everything.setServing(serving, matter);
    images.setServing(serving, matter);
  };
  undo.push(stopCalls, followReadiness({ session: context.session, view: context.view, clock, setServing }));
  const { signal } = stopping;
  const { files } = setup;
  const service = together(services);
  followed = followConfig({ config, files, adapt, clock, logger, signal, opened, service, setServing });

  screen.note(`coordination: embedded, ZooKeeper's protocol on ${zookeeper.host}:${zookeeper.port}`);
  for (const provider of context.providers) {
    const { summary, problem } = provider.describe();
    screen.note(`provider ${provider.name}: ${summary}${problem === null ? "" : ` (${problem})`}`);
  }
  for (const { name, problem } of context.unserved) screen.note(`provider ${name} is not served: ${problem}`);
  screen.note(`API: ${flags.listen} (gRPC, with reflection); log: ${logFile}`);
  await follow(parts, setup);
}

/** Shows what goes on until the wish to stop. */
async function follow(
  { began, dataDir, flags, screen, stopping, undo }: Start,
  { config, privateKeyPath }: Setup,
): Promise<void> {
  const clients = connectClients({ launcherAddress: flags.listen, builderAddress: flags.listen });
  const following = followProgress({
    clients,
    clock: systemClock,
    wanted: new Map([...config.labels.values()].map(({ name, minReady }) => [name, minReady])),
    show: screen.show,
    onAllReady: (progress) => {
      const [name] = readyNodes(progress);
      const label = [...config.labels.keys()][0] ?? "LABEL";
      screen.note(
        `ready after ${((systemClock.now() - began) / 1000).toFixed(1)} s; in another terminal, try:`,
      );
      const identity = privateKeyPath.startsWith(dataDir) ? ` -i ${privateKeyPath}` : "";
      for (const line of nextCommands(flags, label, name, identity)) screen.note(`  ${line}`);
    },
    signal: stopping.signal,
  });
  undo.push(() => {
    clients.close();
    return following;
  });
  await stopping.stopped;
  screen.note("stopping: handing over what is in hand");
}

/** What to try next; `identity` names the key that was made for an operator who had none. */
function nextCommands(
  flags: StandaloneFlags,
  label: string,
  node: string | undefined,
  identity: string,
): string[] {
  const address = flags.listen === "127.0.0.1:8990" ? "" : ` --address ${flags.listen}`;
  const id = node === undefined ? "ID" : node.replace("nodes/", "");
  return [
    `npx nodepool${address} list`,
    `npx nodepool${address} request${identity} ${label}`,
    `npx nodepool${address} ssh${identity} ${id}`,
  ];
}
