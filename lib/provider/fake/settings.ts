// The keys of a provider with `driver: fake`. Those of other drivers are accepted and mean nothing.
import type { ProviderConfig } from "../../config/types.ts";
import { ProviderError, type Resources } from "../contract.ts";
import type { Weather } from "./weather.ts";

/** A fake provider's keys, with defaults. */
export interface FakeSettings {
  /** `cloud`: the address of a cloud in another process, as unix:/path or 127.0.0.1:port; null: one of our own. */
  readonly cloud: string | null;
  /** `host-keys`: whether an SSH server shows host keys for the instances. */
  readonly hostKeys: boolean;
  /** `zones`. */
  readonly zones: readonly string[];
  /** `latency`, `create-time`, `delete-time` (seconds) and `quota` (instances). */
  readonly weather: Partial<Weather>;
  /** `cores` and `ram` (or `min-ram`) of the labels. */
  readonly resourcesOf: (pool: string, label: string) => Resources;
}

/** Reads the keys. @throws {ProviderError} that names a key and what it may be */
export function readFakeSettings({ name, settings, pools }: ProviderConfig): FakeSettings {
  const wrong = (key: string, value: unknown, allowed: string) =>
    new ProviderError(`provider ${name}: ${key} is ${JSON.stringify(value)}; it must be ${allowed}`, {
      retryable: false,
    });
  const number = (values: Readonly<Record<string, unknown>>, key: string): number | null => {
    const value = values[key] ?? null;
    if (value === null || (typeof value === "number" && value >= 0)) return value;
    throw wrong(key, value, "a number, 0 or more");
  };
  const cloud = settings.cloud ?? null;
  if (settings["host-keys"] !== undefined && typeof settings["host-keys"] !== "boolean") {
    throw wrong("host-keys", settings["host-keys"], "true or false");
  }
  const zones = settings.zones ?? [];
  if (!Array.isArray(zones) || !zones.every((zone) => typeof zone === "string")) {
    throw wrong("zones", zones, "a list of names");
  }
  const resources = new Map<string, Resources>();
  for (const pool of pools) {
    for (const label of pool.labels) {
      const cores = number(label.settings, "cores") ?? 1;
      const ram = number(label.settings, "ram") ?? number(label.settings, "min-ram") ?? 1024;
      resources.set(JSON.stringify([pool.name, label.name]), { instances: 1, cores, ram });
    }
  }
  const milliseconds = (key: string) => (number(settings, key) ?? 0) * 1000;
  const quota = number(settings, "quota");
  return {
    // Nodepool's `cloud` names a cloud of a clouds.yaml: only an address is meant for us.
    cloud: typeof cloud === "string" && /^(unix:\/|127\.0\.0\.1:)/.test(cloud) ? cloud : null,
    hostKeys: settings["host-keys"] === true,
    zones,
    weather: {
      latencyMs: milliseconds("latency"),
      createMs: milliseconds("create-time"),
      deleteMs: milliseconds("delete-time"),
      ...(quota === null ? {} : { quota, limits: { instances: quota } }),
    },
    resourcesOf: (pool, label) => resources.get(JSON.stringify([pool, label])) ?? { instances: 1 },
  };
}
