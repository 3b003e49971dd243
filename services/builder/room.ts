// Whether an image's files have room on this host, judged by those of its last build.
import { statfsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config, DiskImageConfig } from "../../lib/config/types.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import { lastReady, readHistory } from "./history.ts";
import type { ImageFiles } from "./image_files.ts";
import { temporaryFolder } from "./workspace.ts";

/** How long to wait before looking at a disk again, in seconds: nothing tells when space was freed. */
export const LOOK_AGAIN = 60;

/** What a disk has left, in bytes, and which disk it is. */
export interface Disk {
  readonly free: number;
  readonly device: number;
}

/** What a build needs and finds, in bytes. */
export interface Room {
  readonly imagesDir: string;
  readonly imagesFree: number;
  /** What the last build's files take. */
  readonly imagesNeeded: number;
  readonly temporary: string;
  readonly temporaryFree: number;
  /** The largest of them: it is made there first. */
  readonly temporaryNeeded: number;
  /** Whether both are on one disk. */
  readonly shared: boolean;
}

/** The disk of a folder, or of the nearest one above it that is there; null when it cannot be told. */
export function diskOf(folder: string): Disk | null {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { bavail, bsize } = statfsSync(path);
      return { free: Number(bavail) * Number(bsize), device: statSync(path).dev };
    } catch {
      if (path === dirname(path)) return null;
    }
  }
}

/** What images took when they were built last: by image, bytes by format. */
export type Sizes = Map<string, Readonly<Record<string, number>>>;

/** Finds out what images took: from their history, else from the files that are here. */
export async function readSizes(
  session: Session,
  files: ImageFiles,
  images: Iterable<string>,
): Promise<Sizes> {
  const sizes: Sizes = new Map();
  const local = Map.groupBy(files.facts().values(), ({ image }) => image);
  const read = async (image: string) => {
    const { attempts } = await readHistory(session, image);
    const last = lastReady(attempts)?.sizes;
    if (last !== undefined) {
      sizes.set(image, last);
      return;
    }
    const found: Record<string, number> = {};
    for (const { build, formats } of local.get(image) ?? []) {
      for (const format of formats) {
        const blocks = (await stat(files.path(image, build, format)).catch(() => null))?.blocks ?? 0;
        found[format] = Math.max(found[format] ?? 0, blocks * 512);
      }
    }
    if (Object.keys(found).length > 0) sizes.set(image, found);
  };
  await Promise.all(Array.from(images, read));
  return sizes;
}

/** The room for every image of which it is known what it takes. */
export function findRoom(
  config: Pick<Config, "diskimages">,
  imagesDir: string,
  env: Readonly<Record<string, string | undefined>>,
  sizes: Sizes,
  disk: (folder: string) => Disk | null,
): Map<string, Room> {
  const rooms = new Map<string, Room>();
  const known = new Map<string, Disk | null>();
  const look = (folder: string) => {
    const found = known.get(folder) ?? disk(folder);
    known.set(folder, found);
    return found;
  };
  for (const diskimage of config.diskimages.values()) {
    const room = roomFor(diskimage, imagesDir, temporaryFolder(diskimage, env), sizes, look);
    if (room !== null) rooms.set(diskimage.name, room);
  }
  return rooms;
}

function roomFor(
  { name, formats }: DiskImageConfig,
  imagesDir: string,
  temporary: string,
  sizes: Sizes,
  look: (folder: string) => Disk | null,
): Room | null {
  const bytes = formats.map((format) => sizes.get(name)?.[format] ?? 0);
  const [images, scratch] = [look(imagesDir), look(temporary)];
  if (images === null || scratch === null || bytes.length === 0) return null;
  return {
    imagesDir,
    imagesFree: images.free,
    imagesNeeded: bytes.reduce((sum, size) => sum + size, 0),
    temporary,
    temporaryFree: scratch.free,
    temporaryNeeded: Math.max(...bytes),
    shared: images.device === scratch.device,
  };
}

/** What is left for a build beside others that run: each may yet take all that it took before. */
function roomBeside(room: Room, others: readonly Room[]): Room {
  let { imagesFree, temporaryFree } = room;
  for (const other of others) {
    const { imagesNeeded, temporaryNeeded } = other;
    imagesFree -= imagesNeeded + (other.shared ? temporaryNeeded : 0);
    if (room.shared) continue;
    if (other.temporary === room.temporary) temporaryFree -= temporaryNeeded;
  }
  return { ...room, imagesFree: Math.max(0, imagesFree), temporaryFree: Math.max(0, temporaryFree) };
}

/**
 * Why a build cannot fit, with the remedy; null when it may.
 *
 * @param others of builds that run or are about to
 */
export function roomProblem(alone: Room, others: readonly Room[] = []): string | null {
  const room = roomBeside(alone, others);
  const { imagesDir, imagesFree, imagesNeeded, temporary, temporaryFree, temporaryNeeded, shared } = room;
  const last = "by what the last build took";
  const remedy = others.length === 0 ? "free some space" : "wait for the builds that run, or free some space";
  const needed = shared ? imagesNeeded + temporaryNeeded : imagesNeeded;
  if (needed > imagesFree) {
    const what = shared ? `${mebibytes(needed)} for files and temporary files` : mebibytes(needed);
    return `it needs ${what} in ${imagesDir} ${last}, and ${mebibytes(imagesFree)} are free: ${remedy}`;
  }
  if (temporaryNeeded <= temporaryFree) return null;
  return `it needs ${mebibytes(temporaryNeeded)} in ${temporary} ${last}, and ${mebibytes(temporaryFree)} are free: ${remedy}, or set TMP_DIR`;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
