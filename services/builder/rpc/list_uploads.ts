import type { ListUploadsRequest, ListUploadsResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { paginate } from "../../../lib/rpc/page.ts";
import type { ImageApi } from "./api.ts";
import { ageKey, toUpload } from "./convert.ts";
import { imagesOf } from "./list_builds.ts";

export function listUploads(api: ImageApi, request: ListUploadsRequest): ListUploadsResponse {
  const images = imagesOf(api, request.parent);
  const uploads = images.flatMap((image) => {
    return (api.context.view.image(image)?.builds ?? []).flatMap((build) => build.uploads);
  });
  const { page, nextPageToken } = paginate(
    `${request.parent}/uploads`,
    uploads,
    ({ image, provider, createdAt, build, upload }) =>
      `${image}/${provider}/${ageKey(createdAt)}/${build}/${upload}`,
    toUpload,
    request,
  );
  return { uploads: page, nextPageToken };
}
