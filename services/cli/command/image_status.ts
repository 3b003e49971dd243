// nodepool image-status
import { Image, type Image_BuildRequest } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { type Column, show } from "../output/show.ts";
import { formatAge } from "../output/table.ts";
import { shortName } from "../resource.ts";

const WORDS: Readonly<Record<Image_BuildRequest, string>> = {
  BUILD_REQUEST_UNSPECIFIED: "",
  BUILD_REQUEST_PENDING: "pending",
  BUILD_REQUEST_BUILDING: "building",
};

function missing(uploads: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(uploads).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([provider, reason]) => `${provider}: ${reason}`).join("; ");
}

export const run: Command = async (context) => {
  const { images } = await context.clients();
  const now = context.clock.now();
  const columns: Column<Image>[] = [
    ["Image", ({ name }) => shortName(name)],
    ["Paused", ({ paused }) => (paused ? "True" : "False")],
    ["Build Request", ({ buildRequest }) => WORDS[buildRequest]],
    ["Build Request Age", ({ buildRequestTime }) => formatAge(buildRequestTime, now)],
    ["Reason", ({ reason }) => reason],
    ["Missing Uploads", ({ missingUploads }) => missing(missingUploads)],
    ["Last Error", ({ lastError }) => lastError],
  ];
  show(context, (await images.listImages({})).images, columns, Image.toJSON);
  return EXIT.ok;
};
