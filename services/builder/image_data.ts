// Nodepool's image data as a file has them: znode path to document, for pauses, builds and uploads.
import { type BuildRecord, decodeBuild, decodeUpload, type UploadRecord } from "../../lib/model/image.ts";
import {
  buildPath,
  imagePath,
  imagePausePath,
  meaningOf,
  uploadPath,
  uploadsPath,
} from "../../lib/model/paths.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { isZooKeeperError, type Operation, type Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { readZnode } from "./locked_write.ts";
import type { BuilderConfig, Facts } from "./plan.ts";

/** A znode's path and its document. */
export interface ImageDatum {
  readonly path: string;
  readonly data: string;
}

/** A path or document that is no image data. */
export class ImageDataError extends Error {
  override name = "ImageDataError";
}

/** Image data that are there already, and differ. */
export class ImageDataConflict extends Error {
  override name = "ImageDataConflict";
}

/** Image data that the builder which writes them would delete at once. */
export class ImageDataDoomed extends Error {
  override name = "ImageDataDoomed";
}

/** The builder that writes image data, as far as it matters for what becomes of them. */
export interface Importer extends Pick<Facts, "builderId"> {
  readonly config: BuilderConfig;
}

/** Every pause, build and upload of one image, to the letter. */
export async function* exportImage(
  session: Session,
  view: View,
  image: string,
): AsyncGenerator<ImageDatum, void, void> {
  const entry = view.image(image);
  if (entry === undefined) return;
  if (entry.paused) yield { path: imagePausePath(image), data: "" };
  for (const { build, uploads } of entry.builds) {
    const paths = uploads.map(({ provider, upload }) => uploadPath(image, build, provider, upload));
    for (const path of [buildPath(image, build), ...paths]) {
      const found = await readZnode(session, path);
      // One without a document was begun and given up: nobody could import it.
      if (found !== null && found.data.length > 0) yield { path, data: new TextDecoder().decode(found.data) };
    }
  }
}

type Meaning = Extract<ReturnType<typeof meaningOf>, { kind: "image-pause" | "build" | "upload" }>;

interface Item extends ImageDatum {
  readonly meaning: Meaning;
  /** Why they would be deleted at once; null when they would not. */
  readonly doom: string | null;
}

/** More uploads of one build to one provider are no image data that Nodepool has written. */
const HIGHEST_NUMBER = 100_000;

function examine({ path, data }: ImageDatum, importer: Importer): Item {
  let doom: string | null = null;
  const meaning = meaningOf(path);
  if (meaning.kind !== "image-pause" && meaning.kind !== "build" && meaning.kind !== "upload") {
    throw new ImageDataError(`${path} is the path of no build, upload or pause of an image`);
  }
  try {
    const bytes = new TextEncoder().encode(data);
    if (meaning.kind === "build") doom = doomOfBuild(meaning.image, decodeBuild(bytes), importer);
    if (meaning.kind === "upload") {
      doom = doomOfUpload(meaning, decodeUpload(bytes), importer);
      if (!/^\d{10}$/.test(meaning.upload) || Number(meaning.upload) > HIGHEST_NUMBER) {
        throw new Error("its number is no upload's");
      }
    }
  } catch (error) {
    throw new ImageDataError(`${path} cannot be imported: ${messageOf(error)}`);
  }
  return { path, data, meaning, doom };
}

/** Why a ready build would be deleted although nobody has asked for it, as decide_cleanup.ts decides. */
function doomOfBuild(image: string, record: BuildRecord, { config, builderId }: Importer): string | null {
  if (record.state !== "ready" || record.builderId !== builderId || config.diskimages.has(image)) return null;
  return `image ${image} is not in ${config.file}, and this builder made the build`;
}

/** The same of an upload. That of an image which is not configured shares the fate of its build. */
function doomOfUpload(
  { image, provider }: { readonly image: string; readonly provider: string },
  record: UploadRecord,
  { config }: Importer,
): string | null {
  const configured = config.providers.find(({ name }) => name === provider);
  if (record.state !== "ready" || configured === undefined || !config.diskimages.has(image)) return null;
  if (configured.diskimages.some(({ name }) => name === image)) return null;
  return `provider ${provider} does not list image ${image} in ${config.file}`;
}

/**
 * Writes image data; all of an image at once, so that nobody sees a build without its uploads. Repeatable. New uploads
 * get numbers above the imported ones.
 *
 * @returns how many were written; those that were there already are not among them
 * @throws {ImageDataError}, {ImageDataDoomed}: nothing was written
 * @throws {ImageDataConflict}: nothing of that image was written
 * @throws the signal's reason when it is aborted; what was begun is done by the next call
 */
export async function importImages(
  session: Session,
  data: readonly ImageDatum[],
  importer: Importer,
  signal: AbortSignal,
): Promise<number> {
  const seen = new Set<string>();
  for (const { path } of data) {
    if (seen.has(path)) throw new ImageDataError(`${path} is given twice`);
    seen.add(path);
  }
  const items = data.map((datum) => examine(datum, importer));
  for (const { path, doom } of items) {
    if (doom !== null) throw new ImageDataDoomed(`${path} would be deleted at once: ${doom}`);
  }
  const images = Map.groupBy(items, ({ meaning }) => meaning.image);
  let written = 0;
  for (const [image, items] of images) written += await importImage(session, image, items, signal);
  return written;
}

async function importImage(
  session: Session,
  image: string,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<number> {
  const fresh: Item[] = [];
  for (const item of items) {
    signal.throwIfAborted();
    const found = await readZnode(session, item.path);
    const text = found === null ? "" : new TextDecoder().decode(found.data);
    if (found !== null && text === item.data) continue;
    if (text !== "") throw new ImageDataConflict(`${item.path} is there already, with other content`);
    fresh.push(item);
  }
  await session.ensurePath(imagePath(image));
  const builds = fresh.filter(({ meaning }) => meaning.kind === "build");
  for (const { path } of builds) await session.ensurePath(path);
  await reserveNumbers(session, fresh, signal);
  const operations = fresh.map(({ path, data, meaning }): Operation => {
    const bytes = new TextEncoder().encode(data);
    return meaning.kind === "image-pause"
      ? { kind: "create", path, data: bytes, mode: "persistent" }
      : { kind: "set", path, data: bytes, version: -1 };
  });
  if (operations.length > 0) await session.multi(operations);
  return operations.length;
}

/** Makes empty znodes for uploads, and the folders count on from the highest. */
async function reserveNumbers(session: Session, items: readonly Item[], signal: AbortSignal): Promise<void> {
  const folders = new Map<string, Set<string>>();
  for (const { meaning } of items) {
    if (meaning.kind !== "upload") continue;
    const folder = uploadsPath(meaning.image, meaning.build, meaning.provider);
    folders.set(folder, (folders.get(folder) ?? new Set()).add(meaning.upload));
  }
  for (const [folder, uploads] of folders) {
    await session.ensurePath(folder);
    const highest = Math.max(...Array.from(uploads, Number));
    for (let number = -1; number < highest; ) {
      signal.throwIfAborted();
      const path = await session.create(`${folder}/`, new Uint8Array(), "persistent-sequential");
      const name = path.slice(folder.length + 1);
      number = Number(name);
      if (!uploads.has(name)) await session.delete(path, -1);
    }
    for (const upload of uploads) await createIfMissing(session, `${folder}/${upload}`);
  }
}

async function createIfMissing(session: Session, path: string): Promise<void> {
  try {
    await session.create(path, new Uint8Array(), "persistent");
  } catch (error) {
    if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
  }
}
