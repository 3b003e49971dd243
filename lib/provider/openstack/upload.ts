// Sends an image to Glance: in constant memory, with checksums that Glance's own are compared with.
import { createHash, type Hash } from "node:crypto";
import { stat } from "node:fs/promises";
import { Writable } from "node:stream";
import type { Clock } from "../../std/clock.ts";
import { withDeadline } from "../../std/deadline.ts";
import { type ImageSpec, ProviderError } from "../contract.ts";
import { sendFile } from "../send_file.ts";
import { mayHaveWorked } from "./errors.ts";
import type { ImageApi } from "./image.ts";

/** Where openstacksdk keeps the checksums of the file, so that its users find them too. */
export const CHECKSUM_KEYS = {
  md5: "owner_specified.openstack.md5",
  sha256: "owner_specified.openstack.sha256",
} as const;

/** How long Glance may take to make an image active after it has all of it. */
const POLL_MS = 1000;
/** An image that is not there so many times in a row is not there. */
const ABSENCES = 3;
const CLEAN_UP_MS = 60_000;

/** What an upload needs. */
export interface UploadTools {
  readonly image: ImageApi;
  readonly clock: Clock;
  /** Properties that every image of the cloud gets. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Our own properties of an image, without checksums: what was given with it. */
export function metadataOf(properties: Readonly<Record<string, string>>): Record<string, string> {
  const foreign =
    /^(owner_specified\.|os_|stores$|base_image_ref$|image_type$|owner_project_name$|owner_user_name$)/;
  return Object.fromEntries(Object.entries(properties).filter(([key]) => !foreign.test(key)));
}

/** Uploads a file; the image's id once servers can boot from it. @throws {ProviderError}; no image stays behind then */
export async function uploadImage(tools: UploadTools, spec: ImageSpec, signal: AbortSignal): Promise<string> {
  const { image } = tools;
  const { size } = await stat(spec.path);
  if (size === 0) throw new ProviderError(`${spec.path} is no image: it is empty`, { retryable: false });
  const checksums = Object.entries(CHECKSUM_KEYS).flatMap(([name, key]) => {
    const value = spec[name as keyof typeof CHECKSUM_KEYS];
    return value === null ? [] : [[key, value]];
  });
  const id = await image.create(
    {
      name: spec.name,
      diskFormat: spec.format,
      properties: { ...tools.properties, ...Object.fromEntries(checksums), ...spec.metadata },
    },
    signal,
  );
  try {
    const sent = await send(image, id, { ...spec, size }, signal);
    await becomeActive(tools, id, { path: spec.path, md5: sent }, signal);
    return id;
  } catch (error) {
    // The signal may be what has ended it: the deletion has a deadline of its own.
    await withDeadline(tools.clock, CLEAN_UP_MS, "not deleted in time", [], (limit) =>
      image.delete(id, limit),
    ).catch(() => undefined);
    throw error;
  }
}

/** Sends the file; its MD5. */
async function send(
  image: ImageApi,
  id: string,
  file: ImageSpec & { readonly size: number },
  signal: AbortSignal,
): Promise<string> {
  const begin = () => ({
    md5: createHash("md5"),
    ...(file.sha256 === null ? {} : { sha256: createHash("sha256") }),
  });
  let hashes = begin();
  const sendBody = (target: Writable) => {
    // Where Glance refuses a part of the file for being one call too many, all of it is sent again.
    hashes = begin();
    return sendFile(file.path, measured(target, Object.values(hashes)), signal);
  };
  try {
    await image.upload(id, { length: file.size, send: sendBody }, signal);
  } catch (error) {
    const isThere = mayHaveWorked(error) && (await image.image(id, signal))?.status === "active";
    if (!isThere) throw error;
  }
  const found = { md5: hashes.md5.digest("hex"), sha256: hashes.sha256?.digest("hex") ?? null };
  for (const name of ["md5", "sha256"] as const) {
    if (file[name] === null || file[name] === found[name]) continue;
    throw new ProviderError(
      `${file.path} is not the file that was built: its ${name} is ${found[name]}, not ${file[name]}`,
      { retryable: false },
    );
  }
  return found.md5;
}

/** The same stream, with checksums of what goes through. A piece counts as written when it has left: its memory is used again. */
function measured(target: Writable, hashes: readonly Hash[]): Writable {
  const meter = new Writable({
    write(chunk, _encoding, done) {
      for (const hash of hashes) hash.update(chunk);
      target.write(chunk, done);
    },
    final(done) {
      target.end(() => done());
    },
    destroy(error, done) {
      if (error !== null) target.destroy();
      done(error);
    },
  });
  target.on("error", (error) => meter.destroy(error));
  return meter;
}

async function becomeActive(
  { image, clock }: UploadTools,
  id: string,
  file: { readonly path: string; readonly md5: string },
  signal: AbortSignal,
): Promise<void> {
  for (let absences = 0; ; ) {
    const now = await image.image(id, signal);
    // Several Glances behind one address do not know the same at the same time.
    absences = now === null ? absences + 1 : 0;
    if (absences >= ABSENCES || ["killed", "deleted", "pending_delete"].includes(now?.status ?? "")) {
      throw new ProviderError(`Glance gave up image ${id} of ${file.path} while it took it in`);
    }
    if (now?.status === "active") {
      if (now.md5 === null || now.md5 === file.md5) return;
      throw new ProviderError(
        `Glance has another image than ${file.path}: its MD5 is ${now.md5}, not ${file.md5}`,
      );
    }
    await clock.sleep(POLL_MS, signal);
  }
}
