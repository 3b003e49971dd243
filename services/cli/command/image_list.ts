// nodepool image-list
import { Upload } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command, CommandContext } from "../context.ts";
import { EXIT } from "../host.ts";
import { allPages, type Column, show } from "../output/show.ts";
import { formatAge, stateWord } from "../output/table.ts";
import { imageParts } from "../resource.ts";

/** Every upload of every image. */
export async function listUploads(context: CommandContext): Promise<Upload[]> {
  const { images } = await context.clients();
  return allPages(async (pageToken) => {
    const page = await images.listUploads({ parent: "images/-", pageToken });
    return { items: page.uploads, nextPageToken: page.nextPageToken };
  });
}

export const run: Command = async (context) => {
  const now = context.clock.now();
  const columns: Column<Upload>[] = [
    ["Build ID", ({ name }) => imageParts(name).build],
    ["Upload ID", ({ name }) => imageParts(name).upload],
    ["Provider", ({ name }) => imageParts(name).provider],
    ["Image", ({ name }) => imageParts(name).image],
    ["Provider Image Name", (upload) => upload.externalName],
    ["Provider Image ID", (upload) => upload.externalId],
    ["State", (upload) => stateWord(upload.state)],
    ["Age", (upload) => formatAge(upload.stateTime, now)],
  ];
  show(context, await listUploads(context), columns, Upload.toJSON);
  return EXIT.ok;
};
