// nodepool image-build

import { withSpan } from "../../../lib/telemetry/trace.ts";
import type { Command } from "../context.ts";
import { showImage } from "../output/image.ts";
import { imageName } from "../resource.ts";

export const run: Command = (context, [image = ""]) =>
  withSpan("nodepool image-build", { attributes: { image } }, async () => {
    const { images } = await context.clients();
    const answer = await images.buildImage({ name: imageName(image) });
    return showImage(context, answer.image, "a build is requested");
  });
