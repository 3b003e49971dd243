// Our driver on the OpenStack under test.
import assert from "node:assert/strict";
import { parseConfig } from "../../../lib/config/load.ts";
import type { ProviderConfig } from "../../../lib/config/types.ts";
import type { Provider } from "../../../lib/provider/contract.ts";
import { openProvider } from "../../../lib/provider/registry.ts";
import { type Logger, silentLogger } from "../../../lib/std/logger.ts";

/** How the provider is configured; what is left out has usual values. */
export interface RealProviderSetting {
  /** Path of a clouds.yaml of the cloud `real`. */
  readonly clouds: string;
  readonly name: string;
  /** Keys of the provider, as YAML in one line that ends with a comma. */
  readonly provider?: string;
  readonly pool?: string;
  /** The labels of the pool `main`, each as YAML in one line. @default `small`, of the image `img` */
  readonly labels?: readonly string[];
  readonly logger?: Logger;
}

/** The provider's configuration, as read from a nodepool.yaml. */
export function realProviderConfig(setting: RealProviderSetting): ProviderConfig {
  const labels = setting.labels ?? ["{name: small, diskimage: img, min-ram: 64}"];
  const names = labels.map((label) => /name: ([\w-]+)/.exec(label)?.[0]);
  const floating = /auto-floating-ip/.test(setting.pool ?? "") ? "" : "auto-floating-ip: false, ";
  const text = [
    `labels: [${names.map((name) => `{${name}}`).join(", ")}]`,
    "diskimages: [{name: img}]",
    "providers:",
    `  - {name: ${setting.name}, driver: openstack, cloud: real, rate: 0.01, diskimages: [{name: img}],`,
    `     ${setting.provider ?? ""}`,
    `     pools: [{name: main, ${floating}${setting.pool ?? ""}`,
    `       labels: [${labels.join(", ")}]}]}`,
  ].join("\n");
  const [config] = parseConfig(text, "nodepool.yaml").providers;
  assert.ok(config);
  return config;
}

/** A started provider with what is put around all of them. */
export async function openRealProvider(setting: RealProviderSetting): Promise<Provider> {
  const env = { OS_CLIENT_CONFIG_FILE: setting.clouds };
  const options = { logger: setting.logger ?? silentLogger, env };
  const provider = await openProvider(realProviderConfig(setting), options);
  await provider.start(AbortSignal.timeout(120_000));
  return provider;
}
