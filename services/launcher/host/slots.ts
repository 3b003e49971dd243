// Which record stands for which slot of which host. Pure.
import type { Host } from "../../../lib/provider/contract.ts";
import { identityOf } from "../../../lib/provider/static/hosts.ts";
import type { ReadableNode } from "../pool/node_share.ts";
import type { ServedPool } from "../pool/served.ts";

/** A host and the pool that it belongs to. */
export interface PlacedHost {
  readonly pool: ServedPool;
  readonly host: Host;
}

/** One node's place on a host. */
export interface Slot extends PlacedHost {
  readonly number: number;
  /** The record that stands for it; null when there is none. */
  readonly node: ReadableNode | null;
}

/** A record that stands for no slot. */
export interface Surplus {
  readonly node: ReadableNode;
  readonly reason: string;
}

export interface Assignment {
  readonly slots: readonly Slot[];
  readonly surplus: readonly Surplus[];
}

/** Names a host across launchers: provider/identity. */
export function hostKey({ pool, host }: PlacedHost): string {
  return `${pool.provider.name}/${host.identity}`;
}

/** Whether a node belongs to nobody: such a one may be changed. */
export function isNobodys({ record, lock }: ReadableNode): boolean {
  const isOpen = record.state === "ready" || record.state === "testing";
  return isOpen && record.allocatedTo === null && lock.contenders.length === 0;
}

/**
 * Assigns the records of one machine, whose hosts differ in username or port only. A record whose identity has left the
 * configuration stands for the slot of that number at another host of the machine: it is made over when it is idle,
 * and until then its job has the slot. One that names no slot stands for one that is left.
 */
export function assignSlots(hosts: readonly PlacedHost[], nodes: readonly ReadableNode[]): Assignment {
  const taken = new Map<string, ReadableNode>();
  const left: ReadableNode[] = [];
  const surplus: Surplus[] = [];
  const placeOf = (placed: PlacedHost, number: number) => `${hostKey(placed)} ${number}`;
  const ordered = [...nodes].sort((a, b) => rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1));
  const isFree = (placed: PlacedHost, number: number) => !taken.has(placeOf(placed, number));
  for (const node of ordered) {
    const placed = hosts.find(({ host }) => host.identity === recordIdentity(node));
    const { slot } = node.record;
    if (placed === undefined || slot === null) left.push(node);
    else if (!isSlotOf(placed, slot)) {
      const most = placed.host.slots;
      surplus.push({ node, reason: `slot ${slot} is beyond the ${most} of ${placed.host.identity}` });
    } else if (!isFree(placed, slot)) {
      surplus.push({ node, reason: `slot ${slot} of ${placed.host.identity} is recorded twice` });
    } else taken.set(placeOf(placed, slot), node);
  }
  for (const node of left) {
    const { slot } = node.record;
    const own = hosts.find(({ host }) => host.identity === recordIdentity(node));
    const places = (own === undefined ? hosts : [own]).flatMap((placed) =>
      (slot === null ? [...Array(placed.host.slots).keys()] : [slot])
        .filter((number) => isSlotOf(placed, number) && isFree(placed, number))
        .map((number) => placeOf(placed, number)),
    );
    const [place] = places;
    if (place !== undefined) taken.set(place, node);
    else if (own === undefined) {
      surplus.push({ node, reason: `host ${recordIdentity(node)} is not in the configuration any more` });
    } else {
      const { slots, identity } = own.host;
      surplus.push({ node, reason: `it names no slot, and none of the ${slots} of ${identity} is left` });
    }
  }
  const slots = hosts.flatMap((placed) =>
    Array.from({ length: placed.host.slots }, (_none, number): Slot => {
      return { ...placed, number, node: taken.get(placeOf(placed, number)) ?? null };
    }),
  );
  return { slots, surplus };
}

function isSlotOf({ host }: PlacedHost, slot: number): boolean {
  return Number.isInteger(slot) && slot >= 0 && slot < host.slots;
}

/**
 * Those in use come first: what is idle can give way. Those being deleted come last: a record that is written as the
 * successor of one may be seen a moment before the other is gone, and is not the one too many.
 */
function rankOf(node: ReadableNode): number {
  if (node.record.state === "deleting" || node.record.state === "deleted") return 2;
  return isNobodys(node) ? 1 : 0;
}

function recordIdentity({ record }: ReadableNode): string {
  const port = typeof record.connectionPort === "number" ? record.connectionPort : 22;
  return identityOf(record.username ?? "zuul", record.hostname ?? "", port);
}
