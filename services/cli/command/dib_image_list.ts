// nodepool dib-image-list
import { Build } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { allPages, type Column, show } from "../output/show.ts";
import { formatAge, stateWord } from "../output/table.ts";
import { imageParts } from "../resource.ts";

export const run: Command = async (context) => {
  const { images } = await context.clients();
  const [listed, builds] = await Promise.all([
    images.listImages({}),
    allPages(async (pageToken) => {
      const page = await images.listBuilds({ parent: "images/-", pageToken });
      return { items: page.builds, nextPageToken: page.nextPageToken };
    }),
  ]);
  const paused = new Set(listed.images.filter((image) => image.paused).map(({ name }) => name));
  const isPaused = (name: string) => paused.has(`images/${imageParts(name).image}`);
  const now = context.clock.now();
  const columns: Column<Build>[] = [
    ["ID", ({ name }) => `${imageParts(name).image}-${imageParts(name).build}`],
    ["Image", ({ name }) => imageParts(name).image],
    ["Builder", (build) => build.builder],
    ["Formats", (build) => build.formats.join(",")],
    ["State", (build) => (isPaused(build.name) ? "paused" : stateWord(build.state))],
    ["Age", (build) => formatAge(build.stateTime, now)],
  ];
  show(context, builds, columns, Build.toJSON);
  return EXIT.ok;
};
