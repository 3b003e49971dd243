// nodepool build-history
import { BuildAttempt } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { allPages, type Column, show } from "../output/show.ts";
import { formatAge } from "../output/table.ts";
import { imageName, imageParts } from "../resource.ts";

export const run: Command = async (context, [image]) => {
  const { images } = await context.clients();
  const parent = image === undefined ? "images/-" : imageName(image);
  const attempts = await allPages(async (pageToken) => {
    const page = await images.listBuildHistory({ parent, pageToken });
    return { items: page.attempts, nextPageToken: page.nextPageToken };
  });
  const now = context.clock.now();
  const columns: Column<BuildAttempt>[] = [
    ["ID", ({ name }) => `${imageParts(name).image}-${imageParts(name).build}`],
    ["Builder", ({ builder }) => builder],
    ["Result", ({ result }) => result.replace(/^RESULT_/, "").toLowerCase()],
    ["Age", ({ startTime }) => formatAge(startTime, now)],
    ["Duration", ({ startTime, endTime }) => (endTime ? formatAge(startTime, endTime.getTime()) : "")],
    ["Reason", ({ reason }) => reason],
    ["Error", ({ error }) => error],
  ];
  show(context, attempts, columns, BuildAttempt.toJSON);
  return EXIT.ok;
};
