// The builder: builds images, uploads them, deletes what is old, and answers for images over gRPC.
import process from "node:process";
import { requireImagesDir } from "../../lib/config/require.ts";
import type { NextConfig, Service, ServiceContext } from "../../lib/daemon/types.ts";
import { identityOf } from "../../lib/host/process_identity.ts";
import { seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { onAbort } from "../../lib/std/on_abort.ts";
import { TaskGroup } from "../../lib/std/task_group.ts";
import { throughOutages } from "../../lib/zookeeper/through_outages.ts";
import { Board } from "./board.ts";
import { buildImage } from "./build_job.ts";
import { BuildLogs } from "./build_log.ts";
import { readBuilderId } from "./builder_id.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { deleteBuild, deleteFiles, deleteUpload, examineFiles } from "./cleanup.ts";
import { FolderClaim } from "./folder_claim.ts";
import type { Phase } from "./history.ts";
import { adoptFiles } from "./image_anchor.ts";
import { ImageFiles } from "./image_files.ts";
import { createMetrics, observeBuilder } from "./metrics.ts";
import type { Action, Outcome } from "./plan.ts";
import { type Spawn, spawnProcessGroup } from "./process_group.ts";
import { Reconciler } from "./reconciler.ts";
import { resumeBuild, unfinishedBuilds } from "./resume_build.ts";
import { type Disk, diskOf, findRoom, readSizes } from "./room.ts";
import { imageService } from "./rpc/service.ts";
import { changedImages, Setbacks } from "./setbacks.ts";
import { uploadImage } from "./upload.ts";
import { clearAfter, type Workshop } from "./workshop.ts";

/** How long killed builds have to be cleared away when the time to stop is over, in milliseconds. */
const LAST_MOMENT = 3000;

export interface BuilderOptions {
  /** The environment of build commands and hooks; its PATH is where they are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Builds at once. @default 1 */
  readonly buildWorkers?: number;
  /** How long the history of a build is kept, in days. @default 30 */
  readonly historyDays?: number;
  /** @default the real disks */
  readonly disk?: (folder: string) => Disk | null;
  /** Uploads at once. @default 4 */
  readonly uploadWorkers?: number;
  /** @default real processes */
  readonly spawn?: Spawn;
  /** Wait before a failed action is repeated, in milliseconds: it doubles up to `maximum`. @default 10 s, 10 min */
  readonly backoff?: { readonly initial: number; readonly maximum: number };
  /** How long another builder may take its lost build lock back, in seconds. @default 30 */
  readonly takeoverGrace?: number;
  /** How long a builder that has the files of the newest build may be away before it is built anew, in seconds. @default 600 */
  readonly awayGrace?: number;
  /** How long a build command has to end itself after SIGTERM, in milliseconds. @default 30000 */
  readonly stopGraceMs?: number;
  /** Hears each step that was done: for tests of what a crash leaves. */
  readonly reached?: (checkpoint: Checkpoint) => void;
}

/** Starts the builder. @throws {ConfigError} when images-dir is missing, {Error} when it cannot be used */
export async function startBuilder(given: ServiceContext, options: BuilderOptions): Promise<Service> {
  const { config, session, view, clock, logger } = given;
  const { context, take } = changeable(given);
  const imagesDir = requireImagesDir(config);
  const builderId = await readBuilderId(imagesDir, context.newUuid);
  const files = new ImageFiles(imagesDir);
  const report = (problem: string) => logger.warn("image files are left alone", { problem });
  await files.scan(report);
  await view.ready();
  const logs = new BuildLogs(config.buildLogDir, config.buildLogRetention);
  const setbacks = new Setbacks(clock, options.backoff ?? { initial: 10_000, maximum: 600_000 });
  const tasks = new TaskGroup((error, name) =>
    logger.error("task failed", { task: name, error: messageOf(error) }),
  );
  const building = new Map<string, readonly Phase[]>();
  const sizes = await throughOutages(session, clock, () =>
    readSizes(session, files, config.diskimages.keys()),
  );
  const board = new Board(setbacks, building);
  const abandon = new AbortController();
  const workshop: Workshop = {
    context,
    builderId,
    files,
    logs,
    spawn: options.spawn ?? spawnProcessGroup,
    env: options.env,
    graceMs: options.stopGraceMs ?? 30_000,
    stopping: tasks.signal,
    abandoned: abandon.signal,
    metrics: createMetrics(),
    building,
    sizes,
    keepHistory: (options.historyDays ?? 30) * 86_400,
    reached: options.reached ?? (() => {}),
    onProgress: (image) => board.changed(image),
  };
  const claim = new FolderClaim(context, imagesDir, builderId, identityOf(process.pid));
  const reconciler = new Reconciler({
    view,
    config: () => context.config,
    clock,
    logger,
    tasks,
    setbacks,
    board,
    metrics: workshop.metrics,
    facts: () => ({
      builderId,
      obstacle: claim.problem(),
      files: files.facts(),
      building: new Set(building.keys()),
      served: new Set(context.providers.map(({ name }) => name)),
      unserved: new Map(context.unserved.map(({ name, problem }) => [name, problem])),
      takeoverGrace: options.takeoverGrace ?? 30,
      awayGrace: options.awayGrace ?? 600,
      room: findRoom(context.config, imagesDir, options.env, sizes, options.disk ?? diskOf),
      buildWorkers: options.buildWorkers ?? 1,
      uploadWorkers: options.uploadWorkers ?? 4,
    }),
    perform: (action) => perform(workshop, action),
    resync: async () => {
      if (claim.problem() !== null) return;
      files.forgetJudgements();
      await files.scan(report);
      await adoptFiles(session, view, files, builderId);
    },
  });
  /** What a builder does first with an images-dir that is its own. Builds of its own may run on meanwhile. */
  const begin = async () => {
    if (building.size === 0) await files.removeUnwritten();
    await files.scan(report);
    const adopt = () => adoptFiles(session, view, files, builderId);
    const adopted = await throughOutages(session, clock, adopt, tasks.signal);
    if (adopted.length > 0) logger.info("image files adopted", { builds: adopted });
    await clearRemains(workshop);
    for (const marker of unfinishedBuilds(workshop).filter(({ build }) => !building.has(build))) {
      tasks.start(`finish ${marker.build}`, async () => {
        await resumeBuild(workshop, marker);
        reconciler.trigger();
      });
    }
    reconciler.trigger();
  };
  await claim.ready();
  await claim.begin(begin, tasks.signal);
  tasks.start("claim", () => claim.keep(begin, tasks.signal));
  const stopObserving = observeBuilder({
    view,
    board,
    images: () => context.config.diskimages.keys(),
    disk: () => (options.disk ?? diskOf)(imagesDir),
    now: () => seconds(clock),
  });
  const images = imageService({ context, board, logs, builderId });
  return {
    rpc: [images.rpc],
    plan: (next) => reconciler.plan(next),
    admit: async (next) => void requireImagesDir(next),
    reconfigure: async (next) => {
      requireImagesDir(next.config);
      const added = [...next.config.diskimages.keys()].filter((image) => !sizes.has(image));
      try {
        for (const [image, bytes] of await readSizes(session, files, added)) sizes.set(image, bytes);
      } catch (error) {
        // A new configuration does not wait for ZooKeeper.
        logger.warn("it is not known what these images took", { images: added, error: messageOf(error) });
      }
      const gone = context.providers.filter((provider) => !next.providers.includes(provider));
      setbacks.forget(changedImages(context.config, next.config), new Set(gone.map(({ name }) => name)));
      take(next);
      claim.update(next.config.hash, next.generation ?? 1);
      reconciler.trigger();
      return { released: reconciler.ended(gone.map(({ name }) => name)) };
    },
    stop: async (grace) => {
      reconciler.close();
      images.close();
      stopObserving();
      const giveUp = new Promise<void>((resolve) => {
        onAbort(grace, () => {
          abandon.abort(grace.reason);
          // The commands are killed now: what they leave goes with them.
          void clock.sleep(LAST_MOMENT).then(resolve);
        });
      });
      const ended = tasks.close(new Error("the builder is stopping")).then(() => claim.close());
      await Promise.race([ended, giveUp]);
    },
  };
}

/** The context with a configuration that can be replaced: whoever reads it has the one in force. */
function changeable(given: ServiceContext): { context: ServiceContext; take: (next: NextConfig) => void } {
  let current: Pick<ServiceContext, "config" | "providers" | "unserved"> = given;
  const context: ServiceContext = {
    ...given,
    get config() {
      return current.config;
    },
    get providers() {
      return current.providers;
    },
    get unserved() {
      return current.unserved;
    },
  };
  const take = (next: NextConfig) => {
    current = next;
  };
  return { context, take };
}

/** Removes what builds of a process before this one have left on this host. */
async function clearRemains(workshop: Workshop): Promise<void> {
  for (const { image, build } of workshop.files.markers()) {
    if (workshop.building.has(build)) continue;
    try {
      await clearAfter(workshop, image, build);
    } catch (error) {
      workshop.context.logger.warn("remains of a build are still there", {
        image,
        build,
        error: messageOf(error),
      });
    }
  }
}

async function perform(workshop: Workshop, action: Action): Promise<Outcome> {
  switch (action.kind) {
    case "build":
      return (await buildImage(workshop, action)) ? "done" : "unneeded";
    case "upload":
      return (await uploadImage(workshop, action)) ? "done" : "unneeded";
    case "delete-upload":
      return deleteUpload(workshop, action);
    case "delete-build":
      return deleteBuild(workshop, action);
    case "delete-files":
      await deleteFiles(workshop, action);
      return "done";
    case "examine-files":
      await examineFiles(workshop, action);
      return "done";
  }
}
