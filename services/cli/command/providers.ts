// nodepool providers
import { Provider } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { type Column, show } from "../output/show.ts";
import { shortName } from "../resource.ts";

const COLUMNS: readonly Column<Provider>[] = [
  ["Provider", ({ name }) => shortName(name)],
  ["Driver", ({ driver }) => driver],
  ["Description", ({ description }) => description],
  ["Pools", ({ pools }) => pools.map(({ name }) => name).join(",")],
  ["Labels", ({ pools }) => [...new Set(pools.flatMap(({ labels }) => labels))].join(",")],
  ["Max Servers", ({ pools }) => pools.map(({ maxServers }) => maxServers ?? "-").join(",")],
  ["Problem", ({ problem, brake }) => [problem, brake].filter((text) => text !== "").join("; ")],
];

export const run: Command = async (context) => {
  const { providers } = await context.clients();
  show(context, (await providers.listProviders({})).providers, COLUMNS, Provider.toJSON);
  return EXIT.ok;
};
