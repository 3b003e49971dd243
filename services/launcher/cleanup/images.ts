// Looks at the providers from time to time for images of ours that no record knows: what is left of an upload that was
// cut off, or of a deletion that was a lie. They only cost room, and one deleted in error costs every launch from it:
// so they must have looked lost for long.
import type { Provider, ProviderImage } from "../../../lib/provider/contract.ts";
import type { Environment } from "../environment.ts";
import { inDeletionTime } from "../node/attempt.ts";
import { leakedImages } from "./compare.ts";
import { askForList, isUpToDate, Looks } from "./looks.ts";
import { Remover } from "./remover.ts";

/** The cleanup of images of one launcher. */
export class ImageCleanup {
  readonly #environment: Environment;
  readonly #remover: Remover;
  readonly #looks: Looks;

  /** @param graceMs how long an image must have looked lost, in milliseconds */
  constructor(environment: Environment, graceMs: number) {
    this.#environment = environment;
    this.#remover = new Remover(environment, "images", graceMs);
    const look = (driver: Provider, signal: AbortSignal) => this.#look(driver, signal);
    this.#looks = new Looks(environment, "provider.image_cleanup", look);
  }

  /** Begins to look through every provider. */
  async pass(): Promise<void> {
    this.#remover.keepOnly(this.#environment.context.providers);
    this.#looks.start();
  }

  async #look(driver: Provider, signal: AbortSignal): Promise<void> {
    const { view } = this.#environment.context;
    const images = await askForList(this.#environment, signal, (inner) => driver.listImages(inner));
    // The record comes before the image: who sees the image and is up to date sees the record.
    if (!(await isUpToDate(this.#environment, signal))) return;
    const leaked = leakedImages(view, driver.name, images);
    this.#environment.metrics.drift(driver.name, { image: leaked.length });
    const findings = leaked.map((image) => ({
      key: `${driver.name}/image/${image.externalId}`,
      remove: (closing: AbortSignal) => this.#remove(driver, image, closing),
    }));
    this.#remover.act(driver.name, findings, images.length);
  }

  async #remove(driver: Provider, image: ProviderImage, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#environment;
    const { externalId, name } = image;
    context.logger.warn("removing an image that no upload knows", {
      provider: driver.name,
      external: externalId,
      name,
    });
    await inDeletionTime(context.clock, [signal], (inner) => driver.deleteImage(externalId, inner));
    metrics.leaked({ provider: driver.name, kind: "image" });
  }
}
