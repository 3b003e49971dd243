// What the tree says of one provider's backing nodes, of the nodes on them and of its requests; kept up entry by entry.
import { nodeLockPath } from "../../model/paths.ts";
import { type SharedNode, sharedLabelOf, sharedOf, shareOf, sharerName } from "../../model/shared_node.ts";
import type { NodeEntry, RequestEntry, View, ViewChange } from "../../zookeeper/view.ts";

/** A node that says that this provider shares it out. */
export interface SharedEntry {
  readonly node: NodeEntry & { readonly record: NonNullable<NodeEntry["record"]> };
  readonly shared: SharedNode;
  /** Who is first in its lock's line: the provider's own contender, if the node tells the truth. */
  readonly contender: string | null;
}

interface Child {
  readonly backing: string | null;
  readonly slot: number;
  readonly waitsFor: string | null;
}

export class Records {
  readonly #provider: string;
  readonly #owner: string;
  readonly #view: Pick<View, "node" | "nodes" | "request" | "requests">;
  readonly shared = new Map<string, SharedEntry>();
  /** Requests for backing nodes that launchers of ours have made. */
  readonly requests = new Map<string, RequestEntry & { readonly label: string }>();
  readonly #children = new Map<string, Child>();
  /** The slots of the nodes on each backing node. Nodepool may have given the same one to two of them. */
  readonly #on = new Map<string, Map<string, number>>();
  readonly #waiting = new Map<string, number>();

  constructor(provider: string, view: Pick<View, "node" | "nodes" | "request" | "requests">) {
    this.#provider = provider;
    this.#owner = sharerName(provider);
    this.#view = view;
  }

  /** Reads everything anew. */
  rebuild(): void {
    for (const map of [this.shared, this.requests, this.#children, this.#on, this.#waiting]) map.clear();
    for (const { id } of this.#view.nodes()) this.#updateNode(id);
    for (const { id } of this.#view.requests()) this.#updateRequest(id);
  }

  /** Takes a change over; whether it was about this provider. */
  update({ kind, id }: Pick<ViewChange, "kind" | "id">): boolean {
    if (kind === "node") return this.#updateNode(id) || this.#isGiven(id);
    return kind === "request" && this.#updateRequest(id);
  }

  /** Which node has which slot of a backing node. */
  takenOf(backing: string): ReadonlyMap<number, string> {
    return new Map(Array.from(this.#on.get(backing) ?? [], ([node, slot]) => [slot, node]));
  }

  /** How many nodes of a label are being launched and have no slot, at all launchers. */
  waitingOf(label: string): number {
    return this.#waiting.get(label) ?? 0;
  }

  /** Whether a node is being launched and has no slot. */
  isWaiting(node: string): boolean {
    return (this.#children.get(node)?.waitsFor ?? null) !== null;
  }

  /** The nodes that have a slot. */
  children(): string[] {
    return [...this.#children].flatMap(([id, { backing }]) => (backing === null ? [] : [id]));
  }

  #updateNode(id: string): boolean {
    const node = this.#view.node(id);
    const record = node?.record ?? null;
    const wasChild = this.#forgetChild(id);
    const isChild = record !== null && record.provider === this.#provider;
    if (isChild) {
      const share = shareOf(record);
      const waitsFor = share === null && record.state === "building" ? (record.type[0] ?? "") : null;
      this.#setChild(id, { backing: share?.backingNode ?? null, slot: share?.slot ?? -1, waitsFor });
    }
    // A node may have a share and be shared out itself.
    const shared = record === null ? null : sharedOf(record);
    if (node === undefined || record === null || shared?.provider !== this.#provider) {
      return this.shared.delete(id) || wasChild || isChild;
    }
    const [first] = node.lock.contenders;
    const contender = first === undefined ? null : `${nodeLockPath(id)}/${first}`;
    this.shared.set(id, { node: { ...node, record }, shared, contender });
    return true;
  }

  /** Whether a node is one that a request for backing nodes was given. */
  #isGiven(id: string): boolean {
    return [...this.requests.values()].some(({ record }) => record?.nodes.includes(id));
  }

  #setChild(id: string, child: Child): void {
    this.#children.set(id, child);
    if (child.waitsFor !== null) this.#count(child.waitsFor, 1);
    if (child.backing === null) return;
    const nodes = this.#on.get(child.backing) ?? new Map<string, number>();
    this.#on.set(child.backing, nodes.set(id, child.slot));
  }

  #forgetChild(id: string): boolean {
    const child = this.#children.get(id);
    if (child === undefined) return false;
    this.#children.delete(id);
    if (child.waitsFor !== null) this.#count(child.waitsFor, -1);
    if (child.backing === null) return true;
    const nodes = this.#on.get(child.backing);
    nodes?.delete(id);
    if (nodes?.size === 0) this.#on.delete(child.backing);
    return true;
  }

  #count(label: string, by: number): void {
    this.#waiting.set(label, (this.#waiting.get(label) ?? 0) + by);
  }

  #updateRequest(id: string): boolean {
    const request = this.#view.request(id);
    const record = request?.record ?? null;
    const label = record === null ? null : sharedLabelOf(record);
    if (request === undefined || label === null || record?.requestor !== this.#owner) {
      return this.requests.delete(id);
    }
    this.requests.set(id, { ...request, label });
    return true;
  }
}
