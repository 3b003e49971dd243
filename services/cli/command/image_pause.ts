// nodepool image-pause
import type { Command } from "../context.ts";
import { showImage } from "../output/image.ts";
import { imageName } from "../resource.ts";

export const run: Command = async (context, [image = ""]) => {
  const { images } = await context.clients();
  const answer = await images.pauseImage({ name: imageName(image) });
  return showImage(context, answer.image, "builds are paused");
};
