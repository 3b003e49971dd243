// Tells whether a build that has no record was deleted in this ZooKeeper, or never was in it (see image_files.ts).
import { formatsOf } from "../../lib/model/image.ts";
import { buildPath, buildsPath } from "../../lib/model/paths.ts";
import { currentTraceparent } from "../../lib/telemetry/trace.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import type { Anchor, ImageFiles, Marker } from "./image_files.ts";

/** Where a build's record is; null when it is not there any more. */
export async function readAnchor(session: Session, image: string, build: string): Promise<Anchor | null> {
  const folder = await session.exists(buildsPath(image));
  const record = await session.exists(buildPath(image, build));
  if (folder === null || record === null) return null;
  return { folder: String(folder.czxid), record: String(record.czxid) };
}

/** Declares that a build has its record, now that it was made. */
export async function anchorFiles(session: Session, files: ImageFiles, marker: Marker): Promise<void> {
  const anchor = await readAnchor(session, marker.image, marker.build);
  await files.mark({ ...marker, anchor });
}

/**
 * Judges a build of ours that has no record: `gone` when this ZooKeeper once held it and does so no more, `foreign`
 * otherwise; `unknown` when it has a record after all.
 */
export async function judgeStanding(
  session: Session,
  marker: Marker,
): Promise<"gone" | "foreign" | "unknown"> {
  const { image, build, anchor } = marker;
  // Without an anchor the build command was never started, so there is nothing to lose.
  if (anchor === null) return "gone";
  if ((await session.exists(buildPath(image, build))) !== null) return "unknown";
  const folder = await session.exists(buildsPath(image));
  if (folder === null || String(folder.czxid) !== anchor.folder) return "foreign";
  return folder.pzxid > BigInt(anchor.record) ? "gone" : "foreign";
}

/**
 * Declares as ours the files of builds that ZooKeeper ascribes to this builder: those that a Nodepool which ran here
 * before has left, and those whose records were moved to another ZooKeeper.
 */
export async function adoptFiles(
  session: Session,
  view: View,
  files: ImageFiles,
  builderId: string,
): Promise<string[]> {
  const adopted: string[] = [];
  for (const { image, builds } of view.images()) {
    for (const { build, record } of builds) {
      if (record?.state !== "ready" || record.builderId !== builderId) continue;
      const marker = files.marker(image, build);
      if (marker !== undefined) {
        await followRecord(session, files, marker);
        continue;
      }
      const present = await files.refresh(image, build);
      if (!formatsOf(record).some((format) => present.has(format))) continue;
      const traceparent = currentTraceparent();
      await anchorFiles(session, files, { image, build, traceparent, workspace: null, anchor: null });
      await files.refresh(image, build);
      adopted.push(build);
    }
  }
  return adopted;
}

async function followRecord(session: Session, files: ImageFiles, marker: Marker): Promise<void> {
  const anchor = await readAnchor(session, marker.image, marker.build);
  if (anchor === null) return;
  if (anchor.folder === marker.anchor?.folder && anchor.record === marker.anchor.record) return;
  await files.mark({ ...marker, anchor });
  await files.refresh(marker.image, marker.build);
}
