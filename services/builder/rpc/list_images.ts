import type { ListImagesResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { currentView, type ImageApi, imageNames, requireImage } from "./api.ts";
import { toImage } from "./convert.ts";

export function listImages(api: ImageApi): ListImagesResponse {
  currentView(api);
  return { images: [...imageNames(api)].sort().map((name) => toImage(requireImage(api, name))) };
}
