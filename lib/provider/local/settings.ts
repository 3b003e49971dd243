// The keys of a provider with `driver: local`, and of its labels.
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { ProviderConfig } from "../../config/types.ts";
import { ProviderError, type Resources } from "../contract.ts";
import { ENGINE_KINDS, type EngineKind } from "./engine.ts";

/** A local provider's keys, with defaults. */
export interface LocalSettings {
  /** "auto": containers, or else sandboxes. */
  readonly engine: EngineKind | "auto";
  /** The Docker API socket; null: look at the usual places. */
  readonly socket: string | null;
  /** The directory of this provider's own files. */
  readonly directory: string;
  readonly resources: ReadonlyMap<string, Resources>;
}

/**
 * Reads the keys.
 * @throws {ProviderError} that names a key and what it may be
 */
export function readSettings(config: ProviderConfig, stateDir: string | null): LocalSettings {
  const { settings, name } = config;
  const engine = settings.engine ?? "auto";
  const engines: readonly unknown[] = ["auto", ...ENGINE_KINDS];
  if (!engines.includes(engine)) throw wrong(name, "engine", engine, `one of ${engines.join(", ")}`);
  const socket = settings.socket ?? null;
  if (socket !== null && typeof socket !== "string") throw wrong(name, "socket", socket, "a path");
  const configuredDir = settings["state-dir"] ?? stateDir ?? defaultStateDir();
  if (typeof configuredDir !== "string") {
    throw wrong(name, "state-dir", configuredDir, "a path");
  }
  const resources = new Map<string, Resources>();
  for (const pool of config.pools) {
    for (const label of pool.labels) {
      resources.set(resourceKey(pool.name, label.name), labelResources(name, label.settings));
    }
  }
  return {
    engine: engine as LocalSettings["engine"],
    socket,
    directory: join(configuredDir, encodeURIComponent(name)),
    resources,
  };
}

/** The key of a pool's label in {@link LocalSettings.resources}. */
export function resourceKey(pool: string, label: string): string {
  return JSON.stringify([pool, label]);
}

function defaultStateDir(): string {
  return process.getuid?.() === 0
    ? "/var/lib/nodepool/local"
    : join(homedir(), ".local/share/nodepool/local");
}

function labelResources(provider: string, settings: Readonly<Record<string, unknown>>): Resources {
  const cores = positive(provider, "cores", settings.cores);
  const ram = positive(provider, "ram", settings.ram);
  return { instances: 1, ...(cores === null ? {} : { cores }), ...(ram === null ? {} : { ram }) };
}

function positive(provider: string, key: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  throw wrong(provider, key, value, "a whole number above 0");
}

function wrong(provider: string, key: string, value: unknown, allowed: string): ProviderError {
  const message = `provider ${provider}: ${key} is ${JSON.stringify(value)}; it must be ${allowed}`;
  return new ProviderError(message, { retryable: false });
}
