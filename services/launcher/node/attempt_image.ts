// Which image an attempt is made from, and what its node says of that.
import type { NodeRecord } from "../../../lib/model/node.ts";
import { NotFoundError } from "../../../lib/provider/contract.ts";
import type { Environment } from "../environment.ts";
import { findImage, type LaunchImage } from "../pool/image.ts";
import { labelOf } from "../pool/served.ts";
import type { Launch } from "../state.ts";

type Place = Pick<Launch, "pool" | "label">;

/** The node of an attempt that is about to begin, as the newest image has it; as it is while there is none. */
export function withImage<T extends Partial<NodeRecord>>(
  environment: Environment,
  place: Place,
  record: T,
): T {
  const image = imageOf(environment, place, null);
  return image === null ? record : { ...record, ...connectionOf(image) };
}

/**
 * The image that the node of an attempt names. When that is gone, or not of its label any more, the newest one, and the
 * node as it has to be written before anything is made from it; a node whose instance is there stays as it is.
 *
 * @throws {NotFoundError} when there is none
 */
export function attemptImage(
  environment: Environment,
  launch: Launch,
): { readonly image: LaunchImage; readonly record: NodeRecord } {
  const { record, label } = launch;
  if (labelOf(launch.pool, label) === undefined) throw refusal(label, "it is not in the pool any more");
  const named = imageOf(environment, launch, record.imageId ?? "");
  if (named !== null) return { image: named, record };
  const image = imageOf(environment, launch, null);
  if (image === null) throw refusal(label, "its image is not at the provider any more");
  return { image, record: record.externalId === null ? { ...record, ...connectionOf(image) } : record };
}

/** Why a label cannot be launched for good. */
export function refusal(label: string, reason: string): NotFoundError {
  return new NotFoundError(`label '${label}' cannot be launched: ${reason}`);
}

function imageOf(
  { context }: Environment,
  { pool, label }: Place,
  imageId: string | null,
): LaunchImage | null {
  const settings = labelOf(pool, label);
  return settings === undefined ? null : findImage(context.view, pool, settings, imageId);
}

function connectionOf(image: LaunchImage) {
  return {
    imageId: image.imageId,
    username: image.username,
    pythonPath: image.pythonPath,
    shellType: image.shellType,
    connectionType: image.connectionType,
    connectionPort: image.connectionPort,
  };
}
