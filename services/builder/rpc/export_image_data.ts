import type { ExportImageDataResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { exportImage } from "../image_data.ts";
import { currentView, type ImageApi, imageNames } from "./api.ts";

/** The records of every image, one after the other. */
export async function* exportImageData(
  api: ImageApi,
  signal: AbortSignal,
): AsyncGenerator<ExportImageDataResponse, void, void> {
  const view = currentView(api);
  for (const image of [...imageNames(api)].sort()) {
    for await (const datum of exportImage(api.context.session, view, image)) {
      if (signal.aborted) return;
      yield { datum };
    }
  }
}
