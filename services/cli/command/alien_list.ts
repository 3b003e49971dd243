// nodepool alien-list
import { AlienInstance } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { type Column, show } from "../output/show.ts";
import { providerName, shortName } from "../resource.ts";

const COLUMNS: readonly Column<AlienInstance>[] = [
  ["Provider", ({ provider }) => shortName(provider)],
  ["Name", ({ displayName }) => displayName],
  ["Server ID", ({ externalId }) => externalId],
  ["State", ({ state }) => state],
  ["Public IP", ({ address }) => address],
  ["Whose", ({ leaked, node }) => (leaked ? `leaked${node === "" ? "" : `, of node ${node}`}` : "not ours")],
];

export const run: Command = async (context, [provider]) => {
  const { providers } = await context.clients();
  const found = await providers.listAlienInstances({ provider: providerName(provider) });
  show(context, found.instances, COLUMNS, AlienInstance.toJSON);
  for (const problem of found.problems) context.host.stderr.write(`nodepool: ${problem}\n`);
  return found.problems.length === 0 ? EXIT.ok : EXIT.failed;
};
