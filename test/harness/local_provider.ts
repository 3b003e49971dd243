// What tests of the local provider share.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProviderConfig } from "../../lib/config/types.ts";

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
