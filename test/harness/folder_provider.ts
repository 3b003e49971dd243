// A provider of images that outlives the process which uploads: a folder, with two files for each image.
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  type ImageSpec,
  type Instance,
  type Provider,
  ProviderError,
  type ProviderImage,
} from "../../lib/provider/contract.ts";

/** Keeps images in a folder and launches nothing. */
export class FolderProvider implements Provider {
  readonly name: string;
  readonly driver = "folder";
  readonly #folder: string;

  constructor(name: string, folder: string) {
    this.name = name;
    this.#folder = folder;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  describe() {
    return { summary: `images in ${this.#folder}`, problem: null };
  }

  /** The image is there, with its metadata, before its content: as at a cloud that queues it first. */
  async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    const externalId = randomUUID();
    await mkdir(this.#folder, { recursive: true });
    const about = join(this.#folder, externalId);
    await writeFile(`${about}.unborn`, JSON.stringify({ name: spec.name, metadata: spec.metadata }));
    await rename(`${about}.unborn`, about);
    await pipeline(createReadStream(spec.path), createWriteStream(`${about}.content`), { signal });
    return externalId;
  }

  async deleteImage(externalId: string): Promise<void> {
    await rm(join(this.#folder, `${externalId}.content`), { force: true });
    await rm(join(this.#folder, externalId), { force: true });
  }

  async listImages(): Promise<ProviderImage[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return await Promise.all(
      names
        .filter((name) => !name.includes("."))
        .map(async (externalId) => {
          const text = await readFile(join(this.#folder, externalId), "utf8");
          return { externalId, ...(JSON.parse(text) as Pick<ProviderImage, "name" | "metadata">) };
        }),
    );
  }

  async listInstances(): Promise<Instance[]> {
    return [];
  }

  async createInstance(): Promise<Instance> {
    throw new ProviderError("this provider launches nothing");
  }

  async deleteInstance(): Promise<void> {}

  async consoleLog(): Promise<string | null> {
    return null;
  }

  async limits() {
    return {};
  }

  resourcesOf() {
    return {};
  }
}
