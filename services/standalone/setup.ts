// What the standalone process sets up before it begins: packages, the operator's key, an engine for nodes.
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type LoadOptions, loadConfig } from "../../lib/config/load.ts";
import type { Config, DiskImageConfig, ProviderConfig } from "../../lib/config/types.ts";
import { startRequirements } from "../../lib/host/catalogue.ts";
import { ensureRequirements } from "../../lib/host/requirements.ts";
import { operatorKey } from "../../lib/host/ssh_key.ts";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import type { Logger } from "../../lib/std/logger.ts";
import type { StandaloneFlags } from "./flags.ts";

/** The environment, as process.env has it. */
type Environment = Readonly<Record<string, string | undefined>>;

/** An address or the data folder cannot be used. */
export class UnavailableError extends Error {
  override name = "UnavailableError";
}

/** Makes the data folder. @throws {UnavailableError} in one sentence */
export function makeDataFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = codeOf(error) === "EACCES" ? "permission denied" : messageOf(error);
    throw new UnavailableError(
      `cannot make the data folder ${path}: ${reason}; name another one with --data`,
    );
  }
}

/** Makes the log file, or finds it. @throws {UnavailableError} in one sentence */
export function makeLogFile(path: string): void {
  try {
    appendFileSync(path, "", { mode: 0o600 });
  } catch (error) {
    throw new UnavailableError(
      `cannot write the log ${path}: ${messageOf(error)}; move it away, or name another folder with --data`,
    );
  }
}

/** What this process makes of a configuration that it has read. */
export type Adapt = (config: Config) => Config;

/** What is configured, and the key with which the operator logs in to nodes. */
export interface Setup {
  readonly config: Config;
  /** How it is read, and what is made of it, also when it has changed. */
  readonly files: LoadOptions;
  readonly adapt: Adapt;
  readonly privateKeyPath: string;
}

/**
 * Reads the configuration as it will be read, with any key: what cannot be used is to be said before something is made
 * or installed.
 *
 * @throws {ConfigError} with all that is wrong
 */
export async function checkConfig(flags: StandaloneFlags, dataDir: string, env: Environment): Promise<void> {
  await loadConfig(flags.config ?? exampleConfig(), filesOf(env, dataDir, "ssh-ed25519 AAAA"));
}

/** How the configuration is read. */
function filesOf(env: Environment, dataDir: string, publicKey: string): LoadOptions {
  return { env: { ...env, NODEPOOL_DATA_DIR: dataDir, NODEPOOL_AUTHORIZED_KEYS: publicKey } };
}

/** Looks for what is needed, installs what is missing if it may, and reads the configuration. */
export async function setUp(
  flags: StandaloneFlags,
  dataDir: string,
  env: Environment,
  print: (line: string) => void,
): Promise<Setup> {
  const found = await ensureRequirements(startRequirements(), { print, mayInstall: flags.install });
  const key = await operatorKey({ env, dataDir });
  const files = filesOf(env, dataDir, key.publicKey);
  const config = await loadConfig(flags.config ?? exampleConfig(), files);
  const { privateKeyPath } = key;
  const canBuild = process.getuid?.() === 0 && !found.missing.includes("diskimage-builder");
  if (canBuild) return { config, files, adapt: (read) => read, privateKeyPath };
  print(
    "diskimage-builder cannot run here (it needs root on Linux): images are built by our own nodepool-rootfs-tar",
  );
  return { config: withRootfsTar(config), files, adapt: withRootfsTar, privateKeyPath };
}

/** Builds with nodepool-rootfs-tar what would be built with disk-image-create. */
function withRootfsTar(config: Config): Config {
  const extension = import.meta.url.endsWith(".js") ? "js" : "ts";
  const file = fileURLToPath(new URL(`../builder/rootfs_tar/main.${extension}`, import.meta.url));
  const runtime = "Deno" in globalThis ? [process.execPath, "run", "-A", "--no-check"] : [process.execPath];
  const command = [...runtime, file].map((word) => `'${word}'`).join(" ");
  const change = (image: DiskImageConfig): DiskImageConfig => ({
    ...image,
    dibCommand: image.dibCommand.replace(/^disk-image-create\b/, () => command),
  });
  return {
    ...config,
    diskimages: new Map([...config.diskimages].map(([name, image]) => [name, change(image)])),
  };
}

/** The configuration that comes with Nodepool. */
function exampleConfig(): string {
  const above = import.meta.url.includes("/dist/") ? "../../.." : "../..";
  return fileURLToPath(new URL(`${above}/examples/nodepool.yaml`, import.meta.url));
}

/** Changes the settings of providers with the local driver that leave them open. */
export function withLocalSettings(config: Config, settings: Readonly<Record<string, unknown>>): Config {
  const change = (provider: ProviderConfig): ProviderConfig =>
    provider.driver === "local" ? { ...provider, settings: { ...settings, ...chosen(provider) } } : provider;
  return { ...config, providers: config.providers.map(change) };
}

/** `engine: auto` says no more than no engine. */
function chosen({ settings }: ProviderConfig): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(settings).filter(([key, value]) => key !== "engine" || value !== "auto"),
  );
}

/** Whether containers may be wanted: some local provider's engine is open, or is containers without a socket. */
function wantsContainers(config: Config): boolean {
  return config.providers.some(({ driver, settings }) => {
    const engine = settings.engine ?? "auto";
    return (
      driver === "local" && settings.socket === undefined && (engine === "auto" || engine === "container")
    );
  });
}

/** A container engine of this process's own. */
export interface OwnEngine {
  /** Has providers that leave it open use this engine. */
  readonly adapt: Adapt;
  stop(): Promise<void>;
}

/**
 * Starts a private Podman for providers that want containers and name no socket; nothing when Podman is not there or
 * the machine has a Docker API socket already.
 */
export async function startOwnEngine(
  config: Config,
  dataDir: string,
  env: Environment,
  logger: Logger,
): Promise<OwnEngine> {
  const nothing = { adapt: (read: Config) => read, stop: async () => {} };
  if (!wantsContainers(config)) return nothing;
  const { startPodmanService } = await import("../../lib/provider/local/podman_service.ts");
  const podman = await startPodmanService({ directory: join(dataDir, "podman"), env, logger });
  if (podman === null) return nothing;
  const { socket } = podman;
  return { adapt: (read) => withLocalSettings(read, { socket }), stop: () => podman.stop() };
}
