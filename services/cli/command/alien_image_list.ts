// nodepool alien-image-list
import { AlienImage } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { type Column, show } from "../output/show.ts";
import { providerName, shortName } from "../resource.ts";

const COLUMNS: readonly Column<AlienImage>[] = [
  ["Provider", ({ provider }) => shortName(provider)],
  ["Name", ({ displayName }) => displayName],
  ["Image ID", ({ externalId }) => externalId],
];

export const run: Command = async (context, [provider]) => {
  const { providers } = await context.clients();
  const found = await providers.listAlienImages({ provider: providerName(provider) });
  show(context, found.images, COLUMNS, AlienImage.toJSON);
  for (const problem of found.problems) context.host.stderr.write(`nodepool: ${problem}\n`);
  return found.problems.length === 0 ? EXIT.ok : EXIT.failed;
};
