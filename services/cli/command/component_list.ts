// nodepool component-list
import { Component } from "../../../lib/rpc/gen/nodepool/v1/component.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { type Column, show } from "../output/show.ts";
import { shortName } from "../resource.ts";

const COLUMNS: readonly Column<Component>[] = [
  ["Kind", ({ kind }) => kind],
  ["Host", ({ hostname }) => hostname],
  ["State", ({ state }) => state],
  ["Version", ({ version }) => version],
  ["Config", ({ configHash }) => configHash.slice(0, 12)],
  ["Generation", ({ configGeneration }) => (configGeneration === 0n ? "" : String(configGeneration))],
  ["Pool", ({ provider, pool }) => (provider === "" ? "" : `${shortName(provider)}/${pool}`)],
  ["Labels", ({ labels }) => labels.join(",")],
];

export const run: Command = async (context) => {
  const { components } = await context.clients();
  const found = await components.listComponents({});
  show(context, found.components, COLUMNS, Component.toJSON);
  const hashes = new Set(found.components.flatMap(({ configHash }) => configHash || []));
  if (hashes.size > 1) {
    context.host.stderr.write(`nodepool: the daemons run with ${hashes.size} different configurations\n`);
  }
  return EXIT.ok;
};
