// What tests of the local provider share.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProviderConfig } from "../../lib/config/types.ts";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  METADATA,
  type Provider,
} from "../../lib/provider/contract.ts";
import { type OpenProviderOptions, openProvider } from "../../lib/provider/registry.ts";
import { silentLogger } from "../../lib/std/logger.ts";

/** A configuration of a local provider with one pool, "main", and one label, "small". */
export function localConfig(settings: Readonly<Record<string, unknown>>): ProviderConfig {
  return {
    name: "here",
    driver: "local",
    maxConcurrency: Number.POSITIVE_INFINITY,
    bootTimeout: 60,
    launchTimeout: 60,
    launchRetries: 3,
    imageUploadTimeout: 60,
    imageNameFormat: "{image_name}-{timestamp}",
    postUploadHook: null,
    imageFormat: "tar",
    managesImages: true,
    diskimages: [],
    pools: [
      {
        name: "main",
        maxServers: 10,
        maxCores: Number.POSITIVE_INFINITY,
        maxRam: Number.POSITIVE_INFINITY,
        priority: 100,
        nodeAttributes: {},
        ignoreProviderQuota: false,
        labels: [
          {
            name: "small",
            diskimage: "img",
            cloudImage: null,
            hostKeyChecking: true,
            consoleLog: false,
            settings: { cores: 1, ram: 256 },
          },
        ],
        settings: {},
      },
    ],
    settings,
  };
}

/** A directory that is removed with what is in it. */
export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "nodepool-local-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The provider of {@link localConfig}, started, with its files in a directory. */
export async function startLocalProvider(
  stateDir: string,
  settings: Readonly<Record<string, unknown>>,
  options: Partial<OpenProviderOptions> = {},
): Promise<Provider> {
  const config = localConfig({ ...settings, "state-dir": stateDir });
  const provider = await openProvider(config, { logger: silentLogger, ...options });
  await provider.start(AbortSignal.timeout(60_000));
  return provider;
}

/** What to upload of a tar. */
export function imageSpec(path: string): ImageSpec {
  return {
    name: "img-1",
    path,
    format: "tar",
    md5: null,
    sha256: null,
    metadata: { [METADATA.image]: "img" },
  };
}

/** An instance of an image, for the user zuul. */
export function instanceSpec(node: string, imageExternalId: string): InstanceSpec {
  return {
    name: `np${node}`,
    pool: "main",
    label: "small",
    imageExternalId,
    username: "zuul",
    az: null,
    request: null,
    metadata: {
      [METADATA.provider]: "here",
      [METADATA.node]: node,
      [METADATA.image]: "img",
      [METADATA.launchToken]: `token-${node}`,
    },
  };
}

/** Creates an instance within a minute. */
export function createInstance(provider: Provider, spec: InstanceSpec): Promise<Instance> {
  return provider.createInstance(spec, async () => {}, AbortSignal.timeout(60_000));
}
