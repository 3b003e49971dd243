// Images at a container engine: imported from tars, found by their labels, tagged for as long as they are wanted.
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import type { ImageInfo } from "dockerode";
import { type Clock, seconds } from "../../../std/clock.ts";
import { deadline } from "../../../std/deadline.ts";
import { messageOf } from "../../../std/errors.ts";
import type { Logger } from "../../../std/logger.ts";
import { assertTar, ChecksumMeter } from "../../checksums.ts";
import { type ImageSpec, type Metadata, ProviderError, type ProviderImage } from "../../contract.ts";
import { type DockerApi, isConflict, lastReport, unlessGone } from "./docker_api.ts";

/** Says whose an image or container is: the provider's installation. */
export const OWNER_LABEL = "nodepool_installation";
/** Name and metadata of an image, as JSON in base64url: engines differ in how they read quotes in labels. */
export const RECORD_LABEL = "nodepool_image_record";

const LIVE = "nodepool/image";
/** Where a deleted image is kept while instances still run from it. */
const DELETED = "nodepool/deleted";
/** An image without a name may be one whose upload is about to name it; after so many seconds its upload has died. */
const NAMED_WITHIN = 3600;

interface ImageRecord {
  readonly name: string;
  readonly metadata: Metadata;
}

/** The images of one installation. */
export class ContainerImages {
  readonly #api: DockerApi;
  readonly #owner: string;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(api: DockerApi, owner: string, clock: Clock, logger: Logger) {
    this.#api = api;
    this.#owner = owner;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Every image that was not deleted. */
  async list(signal: AbortSignal): Promise<ProviderImage[]> {
    const images = await this.#images(signal);
    return images
      .filter((image) => hasTag(image, LIVE))
      .map((image) => ({ externalId: image.Id, ...recordOf(image) }));
  }

  /** Imports a tar and resolves with the image's id. */
  async upload(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    if (spec.format !== "tar") {
      throw new ProviderError(`images must be tar files, not ${spec.format}`, { retryable: false });
    }
    await assertTar(spec.path);
    const record: ImageRecord = { name: spec.name, metadata: spec.metadata };
    const changes = [
      `LABEL ${OWNER_LABEL}=${this.#owner}`,
      `LABEL ${RECORD_LABEL}=${Buffer.from(JSON.stringify(record)).toString("base64url")}`,
    ];
    const id = await this.#import(spec, changes, signal);
    try {
      // An engine may ignore the name that comes with an import, so the image is named by its id.
      const tag = { repo: LIVE, tag: randomBytes(8).toString("hex") };
      await this.#api.call(signal, (docker, abortSignal) => docker.getImage(id).tag({ ...tag, abortSignal }));
      return id;
    } catch (error) {
      await this.#remove(id).catch(() => {});
      throw error;
    }
  }

  /** Deletes an image; while instances run from it, only its name goes. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const image = (await this.#images(signal)).find((candidate) => candidate.Id === id);
    if (image === undefined) return;
    // The same name each time: Podman removes no image by its id that has two.
    const tag = { repo: DELETED, tag: id.replace("sha256:", "") };
    await this.#api.call(signal, (docker, abortSignal) => docker.getImage(id).tag({ ...tag, abortSignal }));
    for (const name of tagsOf(image, LIVE)) {
      await unlessGone(this.#api.call(signal, (docker) => docker.getImage(name).remove()));
    }
    await this.#remove(id);
  }

  /**
   * Removes images that were deleted, or never got their name, and from which no instance runs any more. One that cannot
   * be removed is logged and holds nothing up.
   */
  async sweep(signal: AbortSignal): Promise<void> {
    const longAgo = seconds(this.#clock) - NAMED_WITHIN;
    for (const image of await this.#images(signal)) {
      signal.throwIfAborted();
      if (hasTag(image, LIVE)) continue;
      if (!hasTag(image, DELETED) && image.Created >= longAgo) continue;
      await this.#remove(image.Id).catch((error: unknown) => {
        this.#logger.warn("image could not be removed", { image: image.Id, error: messageOf(error) });
      });
    }
  }

  async #import(spec: ImageSpec, changes: readonly string[], signal: AbortSignal): Promise<string> {
    const meter = new ChecksumMeter(spec);
    const file = createReadStream(spec.path, { highWaterMark: 256 * 1024, signal });
    pipeline(file, meter, () => {});
    const importing = this.#api.call(signal, async (docker, abortSignal) => {
      const stream = await docker.importImage(meter, { changes, abortSignal });
      return lastReport(stream as Readable);
    });
    // What the engine has not read would keep the file open, and its space when it is deleted.
    const report = await importing.finally(() => meter.destroy());
    const id = String(report.id ?? report.status ?? "").trim();
    if (!/^sha256:[0-9a-f]{64}$/.test(id)) throw new ProviderError(`the import gave no image id, but: ${id}`);
    try {
      meter.verify(spec.path);
    } catch (error) {
      await this.#remove(id);
      throw new ProviderError(messageOf(error), { retryable: false });
    }
    return id;
  }

  /** Never by force: that would take the instances with it. */
  async #remove(id: string): Promise<void> {
    const late = () => new ProviderError(`the engine has not removed image ${id} within 60 s`);
    const limit = deadline(this.#clock, 60_000, late, []);
    try {
      await unlessGone(this.#api.call(limit.signal, (docker) => docker.getImage(id).remove()));
    } catch (error) {
      if (!isConflict(error)) throw error;
    } finally {
      limit.stop();
    }
  }

  #images(signal: AbortSignal): Promise<ImageInfo[]> {
    const filters = { label: [`${OWNER_LABEL}=${this.#owner}`] };
    return this.#api.call(signal, (docker, abortSignal) =>
      docker.listImages({ filters: JSON.stringify(filters), abortSignal }),
    );
  }
}

function tagsOf(image: ImageInfo, repository: string): string[] {
  return (image.RepoTags ?? []).filter((name) =>
    name.replace(/^[^/]*[.:][^/]*\/|^localhost\//, "").startsWith(`${repository}:`),
  );
}

function hasTag(image: ImageInfo, repository: string): boolean {
  return tagsOf(image, repository).length > 0;
}

function recordOf(image: ImageInfo): ImageRecord {
  const text = Buffer.from(image.Labels[RECORD_LABEL] ?? "", "base64url").toString();
  return text === "" ? { name: image.Id, metadata: {} } : JSON.parse(text);
}
