import { imagePausePath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { ResumeImageRequest, ResumeImageResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { currentView, type ImageApi, imageAfterWrite, requireImage } from "./api.ts";
import { IMAGE_NAME } from "./convert.ts";

/** Takes an operator's pause back; one in the configuration stays, and is named. */
export async function resumeImage(api: ImageApi, { name }: ResumeImageRequest): Promise<ResumeImageResponse> {
  const { image } = parseName(IMAGE_NAME, name);
  currentView(api);
  const { diskimage } = requireImage(api, image);
  try {
    await api.context.session.delete(imagePausePath(image), -1);
  } catch (error) {
    if (!isZooKeeperError(error, "NO_NODE")) throw error;
  }
  if (diskimage?.pause) {
    const message = `image ${image} stays paused: ${api.context.config.file} says so, remove 'pause' there`;
    throw failedPrecondition("IMAGE_PAUSED", message, { name });
  }
  return { image: await imageAfterWrite(api, image) };
}
