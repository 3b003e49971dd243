// A gRPC client that takes nodes and gives them back, and clocks what it waits for.
import type { Clients } from "../../../lib/rpc/client.ts";
import { type NodeRequest, NodeRequest_State } from "../../../lib/rpc/gen/nodepool/v1/request.ts";

/** How it is heard that a request has its nodes: as the answer to the call that asked, or on a stream. */
export type Hearing = "call" | "stream";

/** A request that has its nodes. Where a stream watches it, it stays open, for it keeps the lease. */
export interface Taken {
  readonly name: string;
  readonly client: Clients["requests"];
  /** Milliseconds from the call that made it to the news that it is fulfilled. */
  readonly wait: number;
  /** Resolves when the stream has ended, if there is one. */
  readonly watched: Promise<void>;
}

const WAIT = { seconds: 60n, nanos: 0 };

export class GrpcLoad {
  readonly #clients: readonly Clients[];
  #calls = 0;

  /** @param clients whose connections are taken in turns */
  constructor(clients: readonly Clients[]) {
    this.#clients = clients;
  }

  #nextClient(): Clients["requests"] {
    this.#calls += 1;
    const next = this.#clients[this.#calls % this.#clients.length];
    if (next === undefined) throw new Error("a load needs at least one client");
    return next.requests;
  }

  /** Asks for one node and waits until it is there. */
  async take(label: string, hearing: Hearing = "call"): Promise<Taken> {
    const client = this.#nextClient();
    const begun = performance.now();
    const waitDuration = hearing === "call" ? WAIT : undefined;
    const { request } = await client.createRequest({ request: { labels: [label] }, waitDuration });
    const name = request?.name ?? "";
    const taken = (given: NodeRequest | undefined) => {
      if (given?.state === NodeRequest_State.STATE_FAILED) throw new Error(`${name} failed: ${given.reason}`);
      if (given?.state !== NodeRequest_State.STATE_FULFILLED) return null;
      return { name, client, wait: performance.now() - begun };
    };
    const answer = taken(request);
    if (answer !== null) return { ...answer, watched: Promise.resolve() };
    const { promise, resolve, reject } = Promise.withResolvers<Omit<Taken, "watched">>();
    const watch = async () => {
      for await (const { event } of client.watchRequest({ name })) {
        const heard = event?.$case === "status" ? taken(event.value.request) : null;
        if (heard !== null) resolve(heard);
      }
      reject(new Error(`${name} is gone before it was fulfilled`));
    };
    const watched = watch();
    watched.catch(reject);
    return { ...(await promise), watched };
  }

  /** Gives the nodes back; resolves with the milliseconds from the call to the answer that they are gone. */
  async giveBack({ name, client, watched }: Taken): Promise<number> {
    const begun = performance.now();
    const { nodes } = await client.releaseRequest({ name, waitDuration: WAIT });
    if (nodes.length > 0) throw new Error(`${nodes} of ${name} are still there`);
    const took = performance.now() - begun;
    await watched;
    return took;
  }
}
