// A gRPC client of several launchers that holds one lease as it should: it repeats what it is told to repeat, and keeps
// a stream open at whichever launcher answers.
import { randomUUID } from "node:crypto";
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { Node_State } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest, NodeRequest_State, type RequestStatus } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import type { WatchedCloud } from "./watched_cloud.ts";

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

  /** Asks for one node, and opens the stream. */
  async ask(label: string, leaseSeconds: number): Promise<void> {
    const wish = {
      request: NodeRequest.fromPartial({ labels: [label], requestor: "tester", reuse: true }),
      requestId: this.requestId,
      leaseDuration: { seconds: BigInt(leaseSeconds), nanos: 0 },
    };
    const { request } = await this.#call((clients) => clients.requests.createRequest(wish));
    this.name = request?.name ?? "";
    this.#streaming = this.#stream();
  }

  /** Waits for the node, and works on its instance. */
  async begin(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (this.instances.length === 0) {
      if (this.#ended !== null) throw new Error(`${this.name}: ${this.#ended}`);
      if (this.#status?.request?.state === NodeRequest_State.STATE_FAILED) {
        throw new Error(`${this.name} failed: ${this.#status.request.reason}`);
      }
      if (performance.now() > end) throw new Error(`${this.name} waits: ${this.#status?.request?.reason}`);
      await Promise.race([this.#changed.promise, pause(PATIENCE_MS / 20)]);
    }
    for (const id of this.instances) this.#cloud.use(id);
  }

  /** The names of its nodes. */
  get nodes(): string[] {
    return this.#status?.nodes.map(({ name }) => name) ?? [];
  }

  /** The ids of the instances that it has. */
  get instances(): string[] {
    if (this.#status?.request?.state !== NodeRequest_State.STATE_FULFILLED) return [];
    return this.#status.nodes
      .filter(({ state }) => state === Node_State.STATE_IN_USE)
      .map(({ externalId }) => externalId);
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

/** Whether a client is told to call again, here or elsewhere. */
function isForAnother(error: unknown): boolean {
  return error instanceof ClientError && error.code === "UNAVAILABLE";
}
