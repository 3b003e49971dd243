// A gRPC client of several launchers that holds one lease as it should: it repeats what it is told to repeat, and keeps
// a stream open at whichever launcher answers.
import { randomUUID } from "node:crypto";
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { type Node, Node_State } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest, NodeRequest_State, type RequestStatus } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { machineOf, type WatchedCloud } from "./watched_cloud.ts";

const PAUSE_MS = 100;
const PATIENCE_MS = 60_000;

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

export class LeaseHolder {
  readonly requestId = randomUUID();
  readonly #clients: readonly Clients[];
  readonly #cloud: WatchedCloud;
  readonly #closing = new AbortController();
  #next: number;
  #status: RequestStatus | null = null;
  #ended: string | null = null;
  #streaming: Promise<void> = Promise.resolve();
  #changed = Promise.withResolvers<void>();
  name = "";

  /** @param first the launcher that is called first */
  constructor(clients: readonly Clients[], cloud: WatchedCloud, first: number) {
    this.#clients = clients;
    this.#cloud = cloud;
    this.#next = first;
  }

  /** Asks for a node of each label, and opens the stream. */
  async ask(
    label: string | readonly string[],
    leaseSeconds: number,
    more: Partial<NodeRequest> = {},
  ): Promise<void> {
    const wish = {
      request: {
        ...NodeRequest.fromPartial({ labels: [label].flat(), requestor: "tester", reuse: true }),
        ...more,
      },
      requestId: this.requestId,
      leaseDuration: { seconds: BigInt(leaseSeconds), nanos: 0 },
    };
    const { request } = await this.#call((clients) => clients.requests.createRequest(wish));
    this.name = request?.name ?? "";
    this.#streaming = this.#stream();
  }

  /** Waits for the nodes, and works on their instances. */
  async begin(patienceMs = PATIENCE_MS): Promise<void> {
    const end = performance.now() + patienceMs;
    while (this.instances.length === 0) {
      if (this.#ended !== null) throw new Error(`${this.name}: ${this.#ended}`);
      if (this.#status?.request?.state === NodeRequest_State.STATE_FAILED) {
        throw new Error(`${this.name} failed: ${this.#status.request.reason}`);
      }
      if (this.#status?.request?.state === NodeRequest_State.STATE_FULFILLED && this.nodes.length === 0) {
        throw new Error(`${this.name}: its nodes are gone: ${this.given}`);
      }
      if (performance.now() > end) throw new Error(`${this.name} waits: ${this.#status?.request?.reason}`);
      await Promise.race([this.#changed.promise, pause(patienceMs / 20)]);
    }
    for (const id of this.instances) this.#cloud.use(id);
  }

  /** Asks for another place in the queue. */
  async revise(relativePriority: bigint): Promise<void> {
    const request = NodeRequest.fromPartial({ name: this.name, relativePriority });
    const updateMask = ["relative_priority"];
    await this.#call((clients) => clients.requests.updateRequest({ request, updateMask }));
  }

  /** The names of the nodes that it was given; they may be gone by now. */
  get given(): string[] {
    return this.#status?.request?.nodes ?? [];
  }

  /** The names of its nodes. */
  get nodes(): string[] {
    return this.#status?.nodes.map(({ name }) => name) ?? [];
  }

  /** The instances or slots that it has, as {@link machineOf} names them. */
  get instances(): string[] {
    if (this.#status?.request?.state !== NodeRequest_State.STATE_FULFILLED) return [];
    return this.#status.nodes
      .filter(({ state }) => state === Node_State.STATE_IN_USE)
      .map((node) => machineOf({ ...node, ...ownIds(node) }));
  }

  /** Why the stream has ended although nobody released the request; null while it has not. */
  get ended(): string | null {
    return this.#ended;
  }

  /** Ends the work, and gives the node back. */
  async release(): Promise<void> {
    this.#closing.abort();
    await this.#streaming;
    for (const id of this.instances) this.#cloud.inUse.delete(id);
    await this.#call((clients) => clients.requests.releaseRequest({ name: this.name }));
  }

  /** Is gone without a word, as a client that was killed. */
  async vanish(): Promise<void> {
    this.#closing.abort();
    await this.#streaming;
    for (const id of this.instances) this.#cloud.inUse.delete(id);
  }

  async #stream(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        for await (const { event } of this.#at().requests.watchRequest({ name: this.name }, { signal })) {
          if (event?.$case === "status") this.#status = event.value;
          this.#tell();
        }
        if (!signal.aborted) this.#ended = "the stream said that the request is gone";
      } catch (error) {
        if (signal.aborted) break;
        if (isForAnother(error)) {
          this.#next += 1;
          await pause(PAUSE_MS);
          continue;
        }
        this.#ended = String(error);
      }
      this.#tell();
      return;
    }
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #at(): Clients {
    const clients = this.#clients[this.#next % this.#clients.length];
    if (clients === undefined) throw new Error("there are no launchers");
    return clients;
  }

  async #call<T>(call: (clients: Clients) => Promise<T>): Promise<T> {
    const end = performance.now() + PATIENCE_MS;
    while (true) {
      try {
        return await call(this.#at());
      } catch (error) {
        if (!isForAnother(error) || performance.now() > end) throw error;
        this.#next += 1;
        await pause(PAUSE_MS);
      }
    }
  }
}

const idOf = (name: string) => name.replace("nodes/", "");

function ownIds({ name, slot, backingNode }: Node) {
  return { id: idOf(name), slot: slot ?? null, backing: backingNode === "" ? null : idOf(backingNode) };
}

/** Whether a client is told to call again, here or elsewhere; or has heard nothing, as from a launcher that is stopped. */
function isForAnother(error: unknown): boolean {
  return error instanceof ClientError && ["UNAVAILABLE", "DEADLINE_EXCEEDED"].includes(error.code);
}
