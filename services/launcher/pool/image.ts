// Which image a label is launched from. Pure.
import { cloudImageOf } from "../../../lib/config/cloud_images.ts";
import type { PoolLabelConfig } from "../../../lib/config/types.ts";
import { uploadPath } from "../../../lib/model/paths.ts";
import type { View } from "../../../lib/zookeeper/view.ts";
import type { ServedPool } from "./served.ts";

/** An image to launch from. */
export interface LaunchImage {
  /** What goes into the node's `image_id`: the upload's znode, the cloud image's name; null where there is no image. */
  readonly imageId: string | null;
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
 */
export function findImage(
  view: Pick<View, "image">,
  served: ServedPool,
  label: PoolLabelConfig,
): LaunchImage | null {
  const name = label.diskimage ?? label.cloudImage ?? "";
  if (label.diskimage === null) {
    const cloudImage = cloudImageOf(served.provider, name);
    return { imageId: name, externalId: name, image: name, build: null, upload: null, ...cloudImage };
  }
  const settings = served.provider.diskimages.find((image) => image.name === name);
  const connection = {
    connectionType: settings?.connectionType ?? "ssh",
    connectionPort: settings?.connectionPort ?? 22,
  };
  const uploads = (view.image(name)?.builds ?? [])
    .flatMap((build) => build.uploads)
    .flatMap((entry) => (entry.record === null ? [] : [{ entry, record: entry.record }]))
    .filter(({ entry, record }) => entry.provider === served.provider.name && record.state === "ready");
  const newest = uploads.reduce<(typeof uploads)[number] | undefined>(
    (best, next) => (best === undefined || next.record.stateTime > best.record.stateTime ? next : best),
    undefined,
  );
  if (newest === undefined || newest.record.externalId === null) return null;
  const { entry, record } = newest;
  return {
    imageId: uploadPath(entry.image, entry.build, entry.provider, entry.upload),
    externalId: record.externalId ?? "",
    image: entry.image,
    build: entry.build,
    upload: entry.upload,
    username: record.username,
    pythonPath: record.pythonPath,
    shellType: record.shellType,
    ...connection,
  };
}
