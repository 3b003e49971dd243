// Which image a label is launched from. Pure.
import { cloudImageOf } from "../../../lib/config/cloud_images.ts";
import type { PoolLabelConfig } from "../../../lib/config/types.ts";
import type { UploadRecord } from "../../../lib/model/image.ts";
import { uploadPath } from "../../../lib/model/paths.ts";
import type { BuildEntry, UploadEntry, View } from "../../../lib/zookeeper/view.ts";
import type { ServedPool } from "./served.ts";

/** An image to launch from. */
export interface LaunchImage {
  /** What goes into the node's `image_id`: the upload's znode, the cloud image's name; empty where there is no image. */
  readonly imageId: string;
  /** The provider's id. */
  readonly externalId: string;
  /** The image's name, for the instance's metadata; with build and upload where we made it. */
  readonly image: string;
  readonly build: string | null;
  readonly upload: string | null;
  readonly username: string | null;
  readonly pythonPath: string | null;
  readonly shellType: string | null;
  readonly connectionType: string;
  readonly connectionPort: number;
}

/**
 * The newest ready upload of the label's image (by the time at which it became ready), or its cloud image. A label
 * that names neither is of a driver whose machines are there already.
 *
 * @param imageId only the image with this {@link LaunchImage.imageId}; null: whichever it is
 */
export function findImage(
  view: Pick<View, "image">,
  served: ServedPool,
  label: PoolLabelConfig,
  imageId: string | null = null,
): LaunchImage | null {
  const name = label.diskimage ?? label.cloudImage ?? "";
  if (label.diskimage === null) {
    if (imageId !== null && imageId !== name) return null;
    const cloudImage = cloudImageOf(served.provider, name);
    return { imageId: name, externalId: name, image: name, build: null, upload: null, ...cloudImage };
  }
  const settings = served.provider.diskimages.find((image) => image.name === name);
  const connection = {
    connectionType: settings?.connectionType ?? "ssh",
    connectionPort: settings?.connectionPort ?? 22,
  };
  const newest = newestReady(view.image(name)?.builds ?? [], served.provider.name, imageId);
  const externalId = newest?.record.externalId ?? null;
  if (newest === null || externalId === null) return null;
  const { entry, record } = newest;
  return {
    imageId: pathOf(entry),
    externalId,
    image: entry.image,
    build: entry.build,
    upload: entry.upload,
    username: record.username,
    pythonPath: record.pythonPath,
    shellType: record.shellType,
    ...connection,
  };
}

// Asked for each pool and kind of request in each decision: it makes nothing that it throws away.
function newestReady(
  builds: readonly BuildEntry[],
  provider: string,
  path: string | null,
): { entry: UploadEntry; record: UploadRecord } | null {
  let newest: { entry: UploadEntry; record: UploadRecord } | null = null;
  for (const { uploads } of builds) {
    for (const entry of uploads) {
      const { record } = entry;
      if (record?.state !== "ready" || entry.provider !== provider) continue;
      if (path !== null && path !== pathOf(entry)) continue;
      if (newest === null || record.stateTime > newest.record.stateTime) newest = { entry, record };
    }
  }
  return newest;
}

const pathOf = ({ image, build, provider, upload }: UploadEntry) =>
  uploadPath(image, build, provider, upload);
