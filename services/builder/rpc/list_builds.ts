import type { ListBuildsRequest, ListBuildsResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { paginate } from "../../../lib/rpc/page.ts";
import { currentView, type ImageApi, imageNames, requireImage } from "./api.ts";
import { ageKey, IMAGE_NAME, toBuild } from "./convert.ts";

/** The images that a parent names: one, or all for `images/-`. @throws NOT_FOUND, INVALID_ARGUMENT */
export function imagesOf(api: ImageApi, parent: string): string[] {
  const { image } = parseName(IMAGE_NAME, parent, "parent");
  currentView(api);
  if (image === "-") return [...imageNames(api)];
  requireImage(api, image);
  return [image];
}

export function listBuilds(api: ImageApi, request: ListBuildsRequest): ListBuildsResponse {
  const images = imagesOf(api, request.parent);
  const builds = images.flatMap((image) => api.context.view.image(image)?.builds ?? []);
  const { page, nextPageToken } = paginate(
    `${request.parent}/builds`,
    builds,
    ({ image, build, createdAt }) => `${image}/${ageKey(createdAt)}/${build}`,
    (entry) => toBuild(entry, api.board.phases(entry.build)),
    request,
  );
  return { builds: page, nextPageToken };
}
