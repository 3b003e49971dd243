// A provider in memory that takes images and launches nothing.
import { readFile } from "node:fs/promises";
import {
  type ImageSpec,
  type Instance,
  METADATA,
  NotFoundError,
  type Provider,
  ProviderError,
  type ProviderImage,
} from "../../lib/provider/contract.ts";
import { checkImageFile } from "../../lib/provider/fake/image_file.ts";

/** An image at a {@link FakeImageProvider}, with what it was made of. */
export interface StoredImage extends ProviderImage {
  readonly spec: ImageSpec;
  readonly content: string;
}

/** A provider for tests of image uploads. */
export class FakeImageProvider implements Provider {
  readonly name: string;
  readonly driver = "fake";
  readonly images = new Map<string, StoredImage>();
  /** Every call that was made, as "upload ubuntu-1". */
  readonly calls: string[] = [];
  /** Uploads that fail from now on; each counts one down. */
  failUploads = 0;
  /** Deletions that fail from now on; each counts one down. */
  failDeletes = 0;
  /** Uploads store the image and then wait until they are cancelled. */
  hang = false;
  /** Uploads wait for this before they store the image. */
  gate: Promise<void> = Promise.resolve();
  /** Deletions wait for this before they delete the image. */
  deletionGate: Promise<void> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  describe() {
    return { summary: "images in memory", problem: null };
  }

  async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    const externalId = `image-${this.calls.push(`upload ${spec.name}`)}`;
    if (this.failUploads > 0) {
      this.failUploads -= 1;
      throw new ProviderError("the cloud takes no images today");
    }
    await this.gate;
    await checkImageFile(spec, signal);
    const content = await readFile(spec.path, "utf8");
    this.images.set(externalId, { externalId, name: spec.name, metadata: spec.metadata, spec, content });
    if (this.hang) {
      await new Promise((_, reject) => {
        const end = () => reject(new ProviderError("the call was cancelled"));
        signal.addEventListener("abort", end, { once: true });
        if (signal.aborted) end();
      });
    }
    return externalId;
  }

  async deleteImage(externalId: string): Promise<void> {
    this.calls.push(`delete ${externalId}`);
    if (this.failDeletes > 0) {
      this.failDeletes -= 1;
      throw new ProviderError("the cloud does not delete today");
    }
    await this.deletionGate;
    this.images.delete(externalId);
  }

  async listImages(): Promise<ProviderImage[]> {
    return [...this.images.values()].filter((image) => image.metadata[METADATA.provider] === this.name);
  }

  async listInstances(): Promise<Instance[]> {
    return [];
  }

  async createInstance(): Promise<Instance> {
    throw new NotFoundError("this provider launches nothing, and has nothing to launch from");
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
