// A gRPC client that takes nodes and gives them back, and clocks what it waits for.
import type { Clients } from "../../../lib/rpc/client.ts";
import { NodeRequest_State } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import type { Session } from "../../../lib/zookeeper/types.ts";

/** A request that has its nodes; the stream that watches it stays open, for it keeps the lease. */
export interface Taken {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly client: Clients["requests"];
  /** Milliseconds from the call that made it to the news that it is fulfilled. */
  readonly wait: number;
  /** Resolves when the stream has ended. */
  readonly watched: Promise<void>;
}

export class GrpcLoad {
  readonly #clients: readonly Clients[];
  readonly #session: Session;
  #calls = 0;

  /**
   * @param clients whose connections are taken in turns
   * @param session one that reaches the launcher's tree: it hears when a node's record is gone
   */
  constructor(clients: readonly Clients[], session: Session) {
    this.#clients = clients;
    this.#session = session;
  }

  #nextClient(): Clients["requests"] {
    this.#calls += 1;
    const next = this.#clients[this.#calls % this.#clients.length];
    if (next === undefined) throw new Error("a load needs at least one client");
    return next.requests;
  }

  /** Asks for one node and waits until it is there. */
  async take(label: string): Promise<Taken> {
    const client = this.#nextClient();
    const begun = performance.now();
    const { request } = await client.createRequest({ request: { labels: [label] } });
    const name = request?.name ?? "";
    const { promise, resolve, reject } = Promise.withResolvers<Omit<Taken, "watched">>();
    const watch = async () => {
      for await (const { event } of client.watchRequest({ name })) {
        if (event?.$case !== "status") continue;
        const { state, nodes = [], reason } = event.value.request ?? {};
        if (state === NodeRequest_State.STATE_FAILED) throw new Error(`${name} failed: ${reason}`);
        if (state !== NodeRequest_State.STATE_FULFILLED) continue;
        resolve({ name, nodes, client, wait: performance.now() - begun });
      }
      reject(new Error(`${name} is gone before it was fulfilled`));
    };
    const watched = watch();
    watched.catch(reject);
    return { ...(await promise), watched };
  }

  /** Gives the nodes back; resolves with the milliseconds from the call until their records are gone. */
  async giveBack({ name, nodes, client, watched }: Taken): Promise<number> {
    const gone = Promise.all(nodes.map((node) => this.#session.gone(`/nodepool/${node}`)));
    const begun = performance.now();
    await client.releaseRequest({ name });
    await gone;
    const took = performance.now() - begun;
    await watched;
    return took;
  }
}
