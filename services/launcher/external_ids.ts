// The ids that providers have given to what is recorded: of instances in nodes, of images in uploads.
import type { UploadEntry, View } from "../../lib/zookeeper/view.ts";
import type { Tree } from "./actions.ts";

/** A provider's id as one text; some drivers of Nodepool store an object. */
export function textOf(externalId: unknown): string {
  return typeof externalId === "string" ? externalId : JSON.stringify(externalId);
}

/** The instances that nodes of a provider have recorded, by their ids. */
export function recordedInstances(tree: Pick<Tree, "nodes">, provider: string): Set<string> {
  const ids = new Set<string>();
  for (const { record } of tree.nodes()) {
    if (record?.provider === provider && record.externalId !== null) ids.add(textOf(record.externalId));
  }
  return ids;
}

/** All uploads to a provider that are recorded, whatever their state. */
export function uploadsAt(tree: Pick<View, "images">, provider: string): UploadEntry[] {
  const builds = Array.from(tree.images(), (image) => image.builds).flat();
  return builds.flatMap(({ uploads }) => uploads).filter((upload) => upload.provider === provider);
}
