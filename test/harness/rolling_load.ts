// Clients that ask, look, watch and give back without a pause, and remember what went wrong.
import { randomUUID } from "node:crypto";
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { NodeRequest, NodeRequest_State } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { until } from "./launcher.ts";

/** With what a stream may end when its launcher stops: docs/api.md. */
const CUT_OFF: ReadonlySet<string> = new Set(["UNAVAILABLE", "INTERNAL", "CANCELLED"]);

/** Whether it is only that a stream has lost its launcher. */
function isCutOff(error: unknown): boolean {
  return error instanceof ClientError && CUT_OFF.has(error.code);
}

export class RollingLoad {
  readonly #clients: Clients;
  readonly #working: Promise<unknown>[] = [];
  #isOver = false;
  /** Unary calls that failed, and what else must not be. */
  readonly failures: string[] = [];
  /** Names of requests by the request_id of their creation. */
  readonly requests = new Map<string, string>();
  calls = 0;
  /** Requests that got their node and gave it back. */
  served = 0;
  /** Streams that were cut off, and went on. */
  cuts = 0;

  constructor(clients: Clients) {
    this.#clients = clients;
  }

  /** Begins so many loops of each kind. */
  begin(many: number): void {
    for (let count = 0; count < many; count += 1) {
      this.#repeat("a lease", () => this.#lease());
      this.#repeat("a look", () => this.#look());
    }
  }

  /** Lets every loop finish its round. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#working);
  }

  #repeat(what: string, round: () => Promise<void>): void {
    const loop = async () => {
      while (!this.#isOver) {
        await round().catch((error) => this.failures.push(`${what}: ${messageOf(error)}`));
      }
    };
    this.#working.push(loop());
  }

  async #unary<T>(call: Promise<T>): Promise<T> {
    this.calls += 1;
    return await call;
  }

  async #lease(): Promise<void> {
    const { requests } = this.#clients;
    const requestId = randomUUID();
    const request = NodeRequest.fromPartial({ labels: ["tiny"], requestor: "load", reuse: false });
    const leaseDuration = { seconds: 120n, nanos: 0 };
    const made = await this.#unary(requests.createRequest({ request, requestId, leaseDuration }));
    const name = made.request?.name ?? "";
    this.requests.set(requestId, name);
    const node = await this.#fulfilled(name);
    await this.#unary(requests.renewRequest({ name, leaseDuration }));
    // Another launcher than the one that told may be some milliseconds behind (docs/api.md).
    const again = await until(`${name} is fulfilled at every launcher`, async () => {
      const { request: shown } = await this.#unary(requests.getRequest({ name }));
      return shown?.state === NodeRequest_State.STATE_FULFILLED && shown;
    });
    if (again.nodes.join() !== node) this.failures.push(`${name} had ${node} and has ${again.nodes}`);
    await this.#unary(requests.releaseRequest({ name }));
    this.served += 1;
  }

  /** The nodes of the request, by watching it at whichever launcher is there. */
  async #fulfilled(name: string): Promise<string> {
    while (true) {
      try {
        for await (const { event } of this.#clients.requests.watchRequest({ name })) {
          if (event?.$case !== "status") continue;
          const { state, nodes, reason } = event.value.request ?? {};
          if (state === NodeRequest_State.STATE_FULFILLED) return nodes?.join() ?? "";
          if (state === NodeRequest_State.STATE_FAILED) throw new Error(`${name} failed: ${reason}`);
        }
        throw new Error(`${name} is gone before it was fulfilled`);
      } catch (error) {
        if (!isCutOff(error)) throw error;
        this.cuts += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async #look(): Promise<void> {
    const { nodes, requests, providers, components } = this.#clients;
    await this.#unary(nodes.listNodes({}));
    await this.#unary(requests.explain({ name: "labels/tiny" }));
    const listed = await this.#unary(requests.listRequests({}));
    const [first] = listed.requests;
    if (first !== undefined) {
      await this.#unary(requests.getRequest({ name: first.name })).catch((error: unknown) => {
        // It may have been given back meanwhile.
        if (!(error instanceof ClientError) || error.code !== "NOT_FOUND") throw error;
      });
    }
    await this.#unary(providers.listProviders({}));
    await this.#unary(components.listComponents({}));
  }
}
