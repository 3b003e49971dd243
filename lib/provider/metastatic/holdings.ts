// What one provider holds, as decisions see it: which nodes that say that it shares them out it really has locked, and
// since when nothing has been on them.
import { nodePath, requestPath } from "../../model/paths.ts";
import { sharerName } from "../../model/shared_node.ts";
import { isZooKeeperError } from "../../zookeeper/types.ts";
import type { Nodepool } from "../nodepool.ts";
import type { BackingNode, BackingRequest } from "./decide.ts";
import { Records, type SharedEntry } from "./records.ts";

export class Holdings extends Records {
  readonly #provider: string;
  readonly #nodepool: Pick<Nodepool, "session" | "view">;
  /** Whether a contender, by its path, is the provider's own. */
  readonly #owned = new Map<string, boolean>();
  readonly #idleSince = new Map<string, number>();

  constructor(provider: string, nodepool: Pick<Nodepool, "session" | "view">) {
    super(provider, nodepool.view);
    this.#provider = provider;
    this.#nodepool = nodepool;
  }

  /** Resolves, in the turn in which the view settles, when it is known of each node who holds it. */
  async settled(): Promise<void> {
    do {
      for (const entry of this.shared.values()) await this.#isOwn(entry);
      await this.#nodepool.view.settled();
    } while (this.#hasUnknown());
    const present = new Set([...this.shared.values()].map(({ contender }) => contender));
    for (const contender of this.#owned.keys()) if (!present.has(contender)) this.#owned.delete(contender);
  }

  /** The backing node of this id, when the provider holds it. */
  async held(backing: string): Promise<SharedEntry | null> {
    const entry = this.shared.get(backing);
    if (entry === undefined) return null;
    return (await this.#isOwn(entry)) ? (this.shared.get(backing) ?? null) : null;
  }

  /** Whether a node has come of which it is not known who holds it. */
  #hasUnknown(): boolean {
    return [...this.shared.values()].some(
      ({ contender }) => contender !== null && !this.#owned.has(contender),
    );
  }

  /** The backing nodes that the provider holds. */
  backingNodes(now: number): BackingNode[] {
    const held = [...this.shared.values()].filter(
      ({ contender }) => contender !== null && this.#owned.get(contender) === true,
    );
    const ids = new Set(held.map(({ node }) => node.id));
    for (const id of this.#idleSince.keys()) if (!ids.has(id)) this.#idleSince.delete(id);
    return held.map(({ node: { id, record }, shared }) => {
      const taken = this.takenOf(id);
      if (taken.size > 0) this.#idleSince.delete(id);
      else if (!this.#idleSince.has(id)) this.#idleSince.set(id, now);
      const { label, slots, failed, launched } = shared;
      const idleSince = this.#idleSince.get(id) ?? null;
      const isSettled = !this.#nodepool.view.isPending(nodePath(id));
      const { state, type } = record;
      const [backingLabel = ""] = type;
      return { id, label, backingLabel, slots, failed, launched, state, taken, idleSince, isSettled };
    });
  }

  /** The requests for backing nodes, oldest first. */
  backingRequests(): BackingRequest[] {
    return [...this.requests.keys()].sort().map((id) => this.#requestOf(id));
  }

  #requestOf(id: string): BackingRequest {
    const request = this.requests.get(id);
    const record = request?.record ?? null;
    const reason = record?.extra.reason;
    const given = record?.nodes[0];
    const node = given === undefined ? undefined : this.#nodepool.view.node(given);
    const isThere = node?.record?.state === "ready" && node.record.allocatedTo === id;
    return {
      id,
      label: request?.label ?? "",
      backingLabel: record?.nodeTypes[0] ?? "",
      state: record?.state ?? "failed",
      reason: typeof reason === "string" ? reason : null,
      node: isThere && given !== undefined ? given : null,
      isLocked: isThere && node.lock.contenders.length > 0,
      isSettled: !this.#nodepool.view.isPending(requestPath(id)),
    };
  }

  async #isOwn({ contender }: SharedEntry): Promise<boolean> {
    if (contender === null) return false;
    const known = this.#owned.get(contender);
    if (known !== undefined) return known;
    try {
      const { data } = await this.#nodepool.session.get(contender);
      const isOwn = new TextDecoder().decode(data) === sharerName(this.#provider);
      this.#owned.set(contender, isOwn);
      return isOwn;
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) return false;
      throw error;
    }
  }
}
