// Finishes builds whose command had ended when a process before this one was killed: what is missing is little, what
// would be thrown away may be hours of work.
import { formatsOf } from "../../lib/model/image.ts";
import { buildsLockPath } from "../../lib/model/paths.ts";
import { seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { throughOutages } from "../../lib/zookeeper/through_outages.ts";
import type { BuildEntry } from "../../lib/zookeeper/view.ts";
import { fileSizes } from "./build.ts";
import { BuildLedger } from "./build_ledger.ts";
import { readHistory } from "./history.ts";
import type { Marker } from "./image_files.ts";
import { KeptLock, takeLock } from "./kept_lock.ts";
import { visible } from "./visible.ts";
import type { Workshop } from "./workshop.ts";

/** How long the dead process may keep its lock, in milliseconds: as long as its session lives on without it. */
const LOCK_PATIENCE = 120_000;

/** The builds that can be finished: their command has ended well, and nobody has written a result. */
export function unfinishedBuilds({ context, files, builderId }: Workshop): Marker[] {
  return files.markers().filter((marker) => {
    if (marker.workspace !== null || marker.anchor === null) return false;
    if (!context.config.diskimages.has(marker.image)) return false;
    return isUnfinished(find(context.view.image(marker.image)?.builds, marker), builderId);
  });
}

/** Finishes a build, unless somebody else has begun another one meanwhile: then the clean-up removes it. */
export async function resumeBuild(workshop: Workshop, marker: Marker): Promise<void> {
  const { context, building, stopping, abandoned, onProgress } = workshop;
  const { image, build } = marker;
  building.set(build, []);
  let lock: KeptLock | null = null;
  try {
    const take = () => takeLock(context, buildsLockPath(image), LOCK_PATIENCE, stopping);
    const taken = await throughOutages(context.session, context.clock, take, stopping);
    if (taken === null) return;
    const kept = new KeptLock(context, taken, context.logger.child({ image, build }));
    lock = kept;
    await context.view.settled();
    const attributes = { "nodepool.image": image, "nodepool.build": build };
    await withSpan("image.build.resume", { attributes, parent: marker.traceparent }, () =>
      finish(workshop, marker, kept),
    );
  } catch (error) {
    context.logger.warn("a build could not be finished", { image, build, error: messageOf(error) });
  } finally {
    if (!abandoned.aborted) await lock?.release();
    await visible(context.view, stopping);
    building.delete(build);
    onProgress(image);
  }
}

async function finish(workshop: Workshop, { image, build }: Marker, lock: KeptLock): Promise<void> {
  const { context, files, builderId, sizes, stopping } = workshop;
  const entry = context.view.image(image);
  const own = find(entry?.builds, { build });
  const configured = context.config.diskimages.get(image);
  if (configured === undefined || own?.record == null || !isUnfinished(own, builderId)) return;
  if (entry?.builds.some(({ createdAt }) => createdAt > own.createdAt)) return;
  const diskimage = { ...configured, formats: formatsOf(own.record) };
  const found = await fileSizes(files.stem(image, build), diskimage.formats);
  const read = () => readHistory(context.session, image);
  const { attempts } = await throughOutages(context.session, context.clock, read, stopping);
  const begun = attempts.find((attempt) => attempt.build === build);
  const logger = context.logger.child({ image, build });
  const requestTime = entry?.buildRequest?.time ?? Infinity;
  const subject = {
    diskimage,
    build,
    lock,
    reason: begun?.reason ?? "",
    requested: requestTime <= own.createdAt,
  };
  const ledger = new BuildLedger(workshop, subject, {
    startedAt: begun?.startedAt ?? own.createdAt,
    phases: begun?.phases ?? [],
  });
  ledger.sizes = Object.fromEntries(found);
  sizes.set(image, ledger.sizes);
  for (const format of diskimage.formats) await files.checksums(image, build, format);
  await files.refresh(image, build);
  if (!(await ledger.close(null))) return;
  const duration = seconds(context.clock) - ledger.startedAt;
  workshop.metrics.build(image, "ready", duration);
  logger.info("build of a process before this one was finished", { duration });
}

function find(builds: readonly BuildEntry[] | undefined, { build }: Pick<Marker, "build">) {
  return builds?.find((entry) => entry.build === build);
}

function isUnfinished(entry: BuildEntry | undefined, builderId: string): boolean {
  return entry?.record?.state === "building" && entry.record.builderId === builderId;
}
