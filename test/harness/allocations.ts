// Which request has which node, at each change that is seen: no node is given out twice.
import assert from "node:assert/strict";
import { MIN_READY_REQUESTOR } from "../../lib/model/request.ts";
import type { View } from "../../lib/zookeeper/view.ts";

/**
 * Watches over all nodes and requests. A node may go from one request to another only when it was free in between. Those of
 * min-ready are left out: such a request gives its node up and is served, and may be seen to do both at once.
 */
export class Allocations {
  readonly #view: Pick<View, "node" | "request" | "subscribe">;
  readonly #ofMinReady = new Set<string>();
  /** The request that each node was last seen to be allocated to. */
  readonly #allocated = new Map<string, string>();
  /** The request that has each node, by its own word. */
  readonly #named = new Map<string, string>();
  readonly #problems: string[] = [];

  constructor(view: Pick<View, "node" | "request" | "subscribe">) {
    this.#view = view;
    view.subscribe(({ kind, id }) => {
      if (kind === "request") this.#noteRequest(id);
      if (kind === "node") this.#noteNode(id);
    });
  }

  #noteRequest(id: string): void {
    const record = this.#view.request(id)?.record;
    if (!record) {
      // Withdrawn: what it has not taken into use is free.
      for (const [node, request] of this.#named) if (request === id) this.#named.delete(node);
      return;
    }
    if (record.requestor === MIN_READY_REQUESTOR) {
      this.#ofMinReady.add(id);
      return;
    }
    for (const node of record.nodes) this.#note(this.#named, node, id);
  }

  #noteNode(id: string): void {
    const request = this.#view.node(id)?.record?.allocatedTo;
    if (request) this.#note(this.#allocated, id, request);
    else this.#allocated.delete(id);
  }

  #note(owners: Map<string, string>, node: string, request: string): void {
    const before = owners.get(node);
    owners.set(node, request);
    if (before === undefined || before === request || this.#ofMinReady.has(before)) return;
    this.#problems.push(`node ${node} was given to ${before} and then to ${request}`);
  }

  /** Fails when a node was given out twice until now. */
  check(): void {
    assert.deepEqual(this.#problems, []);
  }
}
