// nodepool image-delete
import { Upload } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";

export const run: Command = async ({ host, output, clients }, _args, options) => {
  const { images } = await clients();
  const upload = String(options.uploadId);
  const id = /^\d+$/.test(upload) ? upload.padStart(10, "0") : upload;
  const build = `images/${options.image}/builds/${options.buildId}`;
  const answer = await images.deleteUpload({
    name: `${build}/providers/${options.provider}/uploads/${id}`,
  });
  if (output === "json" && answer.upload !== undefined) {
    host.stdout.write(`${JSON.stringify([Upload.toJSON(answer.upload)], null, 2)}\n`);
  }
  return EXIT.ok;
};
