// What a command that changes an image says. Nodepool says nothing on standard output, so neither do we there.
import { Image } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../host.ts";
import { shortName } from "../resource.ts";

/** Shows the changed image; returns the exit code. */
export function showImage(context: CommandContext, image: Image | undefined, done: string): number {
  const { host, output } = context;
  if (image === undefined) return EXIT.ok;
  if (output === "json") host.stdout.write(`${JSON.stringify([Image.toJSON(image)], null, 2)}\n`);
  const reason = image.reason === "" ? "" : ` (${image.reason})`;
  host.stderr.write(`image ${shortName(image.name)}: ${done}${reason}\n`);
  return EXIT.ok;
}
