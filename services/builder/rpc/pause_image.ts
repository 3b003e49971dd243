import { imagePausePath } from "../../../lib/model/paths.ts";
import type { PauseImageRequest, PauseImageResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { currentView, type ImageApi, imageAfterWrite, requireImage } from "./api.ts";
import { IMAGE_NAME } from "./convert.ts";

/** Pauses an image, also one that ZooKeeper does not know yet. */
export async function pauseImage(api: ImageApi, { name }: PauseImageRequest): Promise<PauseImageResponse> {
  const { image } = parseName(IMAGE_NAME, name);
  currentView(api);
  requireImage(api, image);
  await api.context.session.ensurePath(imagePausePath(image));
  return { image: await imageAfterWrite(api, image) };
}
