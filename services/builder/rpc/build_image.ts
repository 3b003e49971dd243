import { buildRequestPath, imagePath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { BuildImageRequest, BuildImageResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { currentTraceparent } from "../../../lib/telemetry/trace.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { currentView, type ImageApi, imageAfterWrite, notConfigured, requireImage } from "./api.ts";
import { IMAGE_NAME } from "./convert.ts";

/** Records the wish for a build, with the caller's trace for whichever builder serves it. */
export async function buildImage(api: ImageApi, { name }: BuildImageRequest): Promise<BuildImageResponse> {
  const { image } = parseName(IMAGE_NAME, name);
  currentView(api);
  const { diskimage } = requireImage(api, image);
  const { config, session } = api.context;
  if (diskimage === undefined) throw notConfigured(api, image);
  if (diskimage.pause) {
    const message = `image ${image} is paused in ${config.file}: remove 'pause' there to have it built`;
    throw failedPrecondition("IMAGE_PAUSED", message, { name });
  }
  if (diskimage.formats.length === 0) {
    const message = `image ${image} has no formats and no provider lists it in ${config.file}: nothing to build`;
    throw failedPrecondition("IMAGE_HAS_NO_FORMATS", message, { name });
  }
  const traceparent = currentTraceparent();
  const data = new TextEncoder().encode(traceparent === null ? "" : JSON.stringify({ traceparent }));
  try {
    await session.ensurePath(imagePath(image));
    await session.create(buildRequestPath(image), data, "persistent");
  } catch (error) {
    if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
  }
  return { image: await imageAfterWrite(api, image) };
}
