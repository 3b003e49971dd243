import { decodeUpload, encodeUpload } from "../../../lib/model/image.ts";
import { uploadPath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { DeleteUploadRequest, DeleteUploadResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { seconds } from "../../../lib/std/clock.ts";
import { deletingUpload } from "../cleanup.ts";
import { type ImageApi, requireUpload, rewrite } from "./api.ts";
import { toUpload, UPLOAD_NAME } from "./convert.ts";

/** Has one upload deleted at its provider; asking again changes nothing. */
export async function deleteUpload(
  api: ImageApi,
  { name }: DeleteUploadRequest,
): Promise<DeleteUploadResponse> {
  const key = parseName(UPLOAD_NAME, name);
  const { image, build, provider, upload } = key;
  const entry = requireUpload(api, key, name);
  const { session, clock, view } = api.context;
  const znode = { path: uploadPath(image, build, provider, upload), kind: "upload", name };
  const form = { decode: decodeUpload, encode: encodeUpload };
  const record = await rewrite(session, znode, form, (record) => {
    if (record.state === "deleting") return null;
    if (record.state === "uploading") {
      const message = `upload ${upload} of ${image} to ${provider} is in progress: it can be deleted when it has ended`;
      throw failedPrecondition("UPLOAD_IN_PROGRESS", message, { name });
    }
    return deletingUpload(record, seconds(clock));
  });
  await view.settled();
  // Not as the view has it: it may be gone by now.
  return { upload: toUpload({ ...entry, record }) };
}
