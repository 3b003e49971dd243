import { failedPrecondition, invalidArgument } from "../../../lib/rpc/errors.ts";
import type {
  ImportImageDataRequest,
  ImportImageDataResponse,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { ImageDataConflict, ImageDataDoomed, ImageDataError, importImages } from "../image_data.ts";
import { currentView, type ImageApi } from "./api.ts";

/** Writes records that ExportImageData or Nodepool gave; those that are there already stay. Ends with its caller. */
export async function importImageData(
  api: ImageApi,
  { data }: ImportImageDataRequest,
  signal: AbortSignal,
): Promise<ImportImageDataResponse> {
  currentView(api);
  try {
    const { session, config } = api.context;
    const written = await importImages(session, data, { config, builderId: api.builderId }, signal);
    await api.context.view.settled();
    return { written };
  } catch (error) {
    if (error instanceof ImageDataError) throw invalidArgument("data", error.message);
    // A path with characters that ZooKeeper does not take, or more of an image than it takes at once.
    if (isZooKeeperError(error, "BAD_ARGUMENTS")) throw invalidArgument("data", error.message);
    if (error instanceof ImageDataConflict) {
      const remedy = "import into a ZooKeeper that does not have these images";
      throw failedPrecondition("IMAGE_DATA_EXISTS", `${error.message}: ${remedy}`);
    }
    if (error instanceof ImageDataDoomed) {
      const remedy = 'configure the image and list it at its providers, with "pause: true" in the diskimage';
      throw failedPrecondition("IMAGE_DATA_DOOMED", `${error.message}: ${remedy}`);
    }
    throw error;
  }
}
