// Configurations, trees and facts for tests of what the builder decides.
import assert from "node:assert/strict";
import type { DiskImageConfig, PoolConfig, ProviderConfig } from "../../lib/config/types.ts";
import { type BuildRecord, newBuild, newUpload, type UploadRecord } from "../../lib/model/image.ts";
import type { BuildEntry, ImageEntry, UploadEntry } from "../../lib/zookeeper/view.ts";
import type { Action, BuilderConfig, Facts, LocalBuild, Plan } from "../../services/builder/plan.ts";

export const NOW = 1_000_000;
export const ME = "me";

export function diskimage(name: string, given: Partial<DiskImageConfig> = {}): DiskImageConfig {
  return {
    name,
    dibCommand: "disk-image-create",
    elements: [],
    envVars: {},
    formats: ["qcow2"],
    keepFormats: [],
    deleteAfterUpload: false,
    pause: false,
    pythonPath: "auto",
    shellType: null,
    rebuildAge: 86_400,
    buildTimeout: 28_800,
    release: "",
    username: "zuul",
    metadata: {},
    ...given,
  };
}

export function provider(
  name: string,
  images: string[],
  given: Partial<ProviderConfig> = {},
): ProviderConfig {
  return {
    name,
    driver: "fake",
    maxConcurrency: Infinity,
    bootTimeout: 60,
    launchTimeout: 60,
    launchRetries: 3,
    imageUploadTimeout: 60,
    imageNameFormat: "{image_name}-{timestamp}",
    postUploadHook: null,
    imageFormat: "qcow2",
    managesImages: true,
    diskimages: images.map((image) => ({
      name: image,
      pause: false,
      connectionType: "ssh",
      connectionPort: 22,
      meta: {},
    })),
    pools: [],
    settings: {},
    ...given,
  };
}

export function pool(name: string, maxServers: number): PoolConfig {
  return {
    name,
    maxServers,
    maxCores: Infinity,
    maxRam: Infinity,
    priority: 100,
    nodeAttributes: {},
    ignoreProviderQuota: false,
    labels: [],
    settings: {},
  };
}

export function config(images: DiskImageConfig[], providers: ProviderConfig[] = []): BuilderConfig {
  return {
    file: "nodepool.yaml",
    diskimages: new Map(images.map((image) => [image.name, image])),
    providers,
  };
}

export interface BuildGiven extends Partial<BuildRecord> {
  readonly id: string;
  /** Seconds before now. */
  readonly age: number;
  readonly uploads?: readonly UploadGiven[];
  readonly uploading?: readonly string[];
}

export interface UploadGiven extends Partial<UploadRecord> {
  readonly id: string;
  readonly provider: string;
  readonly age: number;
}

export function image(
  name: string,
  given: Partial<ImageEntry> & { list?: readonly BuildGiven[] } = {},
): ImageEntry {
  const { list = [], ...rest } = given;
  return {
    image: name,
    paused: false,
    buildRequest: null,
    builds: list.map((build) => buildEntry(name, build)),
    lock: { exists: true, contenders: [] },
    ...rest,
  };
}

export function entry<T>(record: T, age: number) {
  return { record, problem: null, version: 0, createdAt: NOW - age, modifiedAt: NOW - age };
}

export function buildEntry(
  name: string,
  { id, age, uploads = [], uploading = [], ...given }: BuildGiven,
): BuildEntry {
  const record = newBuild(NOW - age, { state: "ready", builderId: ME, formats: "qcow2", ...given });
  return {
    ...entry(record, age),
    image: name,
    build: id,
    uploads: uploads.map((upload) => uploadEntry(name, id, upload)),
    uploading: new Set(uploading),
  };
}

export function uploadEntry(
  name: string,
  build: string,
  { id, age, provider: place, ...given }: UploadGiven,
): UploadEntry {
  const record = newUpload(NOW - age, { state: "ready", externalId: `external-${id}`, ...given });
  return { ...entry(record, age), image: name, build, provider: place, upload: id };
}

export function local(name: string, build: string, given: Partial<LocalBuild> = {}): LocalBuild {
  return { image: name, build, formats: new Set(["qcow2"]), standing: "unknown", ...given };
}

export function facts(given: Partial<Facts> & { here?: readonly LocalBuild[] } = {}): Facts {
  const { here = [], ...rest } = given;
  return {
    now: NOW,
    builderId: ME,
    files: new Map(here.map((files) => [`${files.image}-${files.build}`, files])),
    running: new Set(),
    building: new Set(),
    setbacks: new Map(),
    troubles: new Map(),
    served: new Set(["cloud", "other"]),
    unserved: new Map(),
    lockFreeSince: new Map(),
    takeoverGrace: 30,
    awaySince: new Map(),
    besidePython: false,
    obstacle: null,
    awayGrace: 600,
    room: new Map(),
    buildWorkers: 1,
    uploadWorkers: 4,
    ...rest,
  };
}

/** The actions as `kind target`, as `build ubuntu` or `delete-upload 1/cloud/2`. */
export function doing(plan: Plan): string[] {
  return plan.actions.map(describeAction);
}

export function describeAction(action: Action): string {
  switch (action.kind) {
    case "build":
      return `build ${action.image}`;
    case "upload":
      return `upload ${action.build} to ${action.provider}`;
    case "delete-upload":
      return `delete-upload ${action.build}/${action.provider}/${action.upload}`;
    case "delete-files":
      return `delete-files ${action.build} ${action.formats?.join(",") ?? "all"}`;
    default:
      return `${action.kind} ${action.build}`;
  }
}

/** Why something is not done. */
export function wait(plan: Plan, key: string) {
  const found = plan.waiting.find((waiting) => waiting.key === key);
  assert.ok(found, `nothing waits as ${key}: ${JSON.stringify(plan.waiting)}`);
  return found;
}

/** An image at one provider. */
export const UBUNTU = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"])]);
/** A build of 100 seconds ago, uploaded 50 seconds ago. */
export const FRESH: BuildGiven = { id: "b1", age: 100, uploads: [{ id: "1", provider: "cloud", age: 50 }] };
