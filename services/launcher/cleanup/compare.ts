// Compares what a provider has with what is recorded of it. Pure.
import {
  type Instance,
  type Leftover,
  METADATA,
  type ProviderImage,
} from "../../../lib/provider/contract.ts";
import type { NodeEntry, View } from "../../../lib/zookeeper/view.ts";
import type { Tree } from "../actions.ts";
import { textOf, uploadsAt } from "../external_ids.ts";

/** What a provider has. */
export interface Inventory {
  readonly provider: string;
  readonly instances: readonly Instance[];
  /** Instances that do not say whose they are, as far as they were asked for: a node's own may be among them. */
  readonly foreign?: readonly Instance[];
  readonly leftovers: readonly Leftover[];
  /** The nodes that were recorded before it was asked: a later one may have no instance yet. */
  readonly known: ReadonlySet<string>;
}

/** Where the provider and the records differ. */
export interface Comparison {
  /** Instances that carry a node's id and belong to no record. */
  readonly leaked: readonly Instance[];
  /** What was left behind by nodes that are not recorded. */
  readonly leftovers: readonly Leftover[];
  /** Nodes whose instance is gone or does not run any more; of a held one it must be gone. */
  readonly lost: readonly NodeEntry[];
  /** Everything that is there or recorded as being there. */
  readonly total: number;
}

/** States in which a node must have its instance. */
const PRESENT = new Set(["ready", "in-use", "hold"]);

/** What the brake knows a lost node by. */
export const keyOfLost = (provider: string, node: string) => `${provider}/node/${node}`;

/** Compares one provider. */
export function compare(tree: Pick<Tree, "node" | "nodes">, inventory: Inventory): Comparison {
  const { provider, instances, foreign = [], known } = inventory;
  const leaked = instances.filter(
    (instance) => instance.metadata[METADATA.node] !== undefined && !isKnown(tree, instance),
  );
  const leftovers = inventory.leftovers.filter(
    ({ node, metadata }) =>
      (metadata[METADATA.provider] ?? provider) === provider &&
      (node === null || tree.node(node) === undefined),
  );
  const there = [...instances, ...foreign];
  const present = new Set(there.map(({ externalId }) => externalId));
  const alive = new Set(
    there
      .filter(({ state }) => state === "running" || state === "building")
      .map(({ externalId }) => externalId),
  );
  const lost: NodeEntry[] = [];
  let total = leaked.length;
  for (const node of tree.nodes()) {
    const { record, id } = node;
    if (record?.provider !== provider) continue;
    if (record.externalId !== null) total += 1;
    if (record.externalId === null || !known.has(id) || !PRESENT.has(record.state)) continue;
    // Who holds a node wants its disk, and may shut it off.
    const wanted = record.state === "hold" ? present : alive;
    if (!wanted.has(textOf(record.externalId))) lost.push(node);
  }
  return { leaked, leftovers, lost, total };
}

/**
 * The record comes before the instance, so an instance whose node is unknown has lost it. Once the record has an
 * instance's id, another one of the node is a double, made by a create that was done although nobody heard of it.
 */
export function isKnown(tree: Pick<Tree, "node">, instance: Instance): boolean {
  const node = instance.metadata[METADATA.node] ?? "";
  const entry = tree.node(node);
  if (entry === undefined) return false;
  const isOfOurs = instance.metadata[METADATA.launchToken] !== undefined;
  if (entry.record === null || entry.record.externalId === null || !isOfOurs) return true;
  return textOf(entry.record.externalId) === instance.externalId;
}

/**
 * Images of the provider that carry the number of an upload which is not recorded, whatever its state. Others carry no
 * such number: they are somebody's who has made them by hand. While no upload of the provider is recorded none is
 * leaked: somebody looks at the wrong ZooKeeper, or at one that was emptied.
 */
export function leakedImages(
  tree: Pick<View, "images">,
  provider: string,
  images: readonly ProviderImage[],
): ProviderImage[] {
  const numbers = new Set<string>();
  const ids = new Set<string>();
  for (const { build, upload, record } of uploadsAt(tree, provider)) {
    numbers.add(`${build}/${upload}`);
    if (record?.externalId) ids.add(textOf(record.externalId));
  }
  if (numbers.size === 0) return [];
  return images.filter(({ externalId, metadata }) => {
    const { [METADATA.provider]: owner, [METADATA.build]: build, [METADATA.upload]: upload } = metadata;
    if (owner !== provider || !build || !upload) return false;
    return !numbers.has(`${build}/${upload}`) && !ids.has(externalId);
  });
}
