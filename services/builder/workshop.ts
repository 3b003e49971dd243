// What building, uploading and cleaning up work with.
import type { DiskImageConfig } from "../../lib/config/types.ts";
import type { ServiceContext } from "../../lib/daemon/types.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import type { BuildLogs } from "./build_log.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Phase } from "./history.ts";
import type { ImageFiles } from "./image_files.ts";
import type { Metrics } from "./metrics.ts";
import type { Spawn } from "./process_group.ts";
import type { Sizes } from "./room.ts";
import { clearWorkspace } from "./workspace.ts";

/** What one builder process has at hand. */
export interface Workshop {
  readonly context: ServiceContext;
  readonly builderId: string;
  readonly files: ImageFiles;
  readonly logs: BuildLogs;
  readonly spawn: Spawn;
  /** The builder's own environment, for build commands and hooks. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a command has to end itself after SIGTERM, in milliseconds. */
  readonly graceMs: number;
  /** Aborted when the builder stops: end what can be ended, then write how it stands. */
  readonly stopping: AbortSignal;
  /** Aborted when the time to stop is over: return at once. */
  readonly abandoned: AbortSignal;
  readonly metrics: Metrics;
  /** Builds that run here, with the phases that they have come to. */
  readonly building: Map<string, readonly Phase[]>;
  /** What images took when they were built last. */
  readonly sizes: Sizes;
  /** How long the history of a build is kept, in seconds. */
  readonly keepHistory: number;
  /** Hears each step that was done. */
  readonly reached: (checkpoint: Checkpoint) => void;
  /** Tells that a build here does something else now. */
  readonly onProgress: (image: string) => void;
}

/** The image's configuration. @throws {Error} when the configuration does not name it */
export function diskimageOf({ context }: Workshop, image: string): DiskImageConfig {
  const diskimage = context.config.diskimages.get(image);
  if (diskimage === undefined) throw new Error(`image ${image} is not in ${context.config.file}`);
  return diskimage;
}

/** A provider that is served here. @throws {Error} with the reason when it is not */
export function providerOf({ context }: Workshop, name: string): Provider {
  const provider = context.providers.find((candidate) => candidate.name === name);
  if (provider !== undefined) return provider;
  const problem = context.unserved.find((candidate) => candidate.name === name)?.problem;
  throw new Error(
    `provider ${name} cannot be used here: ${problem ?? `it is not in ${context.config.file}`}`,
  );
}

/** Removes what a build's command has left on this host. @throws {Error} naming what cannot be removed */
export async function clearAfter(workshop: Workshop, image: string, build: string): Promise<void> {
  const { context, files } = workshop;
  const workspace = files.marker(image, build)?.workspace ?? null;
  if (workspace === null) return;
  const removed = await clearWorkspace(workspace, build, context.clock);
  if (removed.length > 0) context.logger.info("remains of a build were removed", { image, build, removed });
}

/** Removes everything of a build on this host: what its command has left, then its files, then its marker. */
export async function removeBuild(workshop: Workshop, image: string, build: string): Promise<void> {
  await clearAfter(workshop, image, build);
  await workshop.files.remove(image, build, null);
}
