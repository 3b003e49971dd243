// Stands before the services of a real OpenStack, passes calls on, counts them, and lets one go wrong when asked to.
import { Buffer } from "node:buffer";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { CloudUser, ServiceType } from "./cloud_user.ts";

/** A call that is about to be passed on. */
export interface PassingCall {
  readonly service: ServiceType;
  readonly method: string;
  /** Below the service's address, with the query. */
  readonly path: string;
}

/** What becomes of a call. */
export type Fate =
  | { readonly kind: "answer"; readonly status: number; readonly body: unknown }
  /** It reaches the service, and the connection breaks instead of the answer. */
  | { readonly kind: "lose" }
  | { readonly kind: "hang" }
  /** The JSON that it carries is changed on its way. */
  | { readonly kind: "change"; readonly change: (body: never) => unknown };

export class FaultProxy {
  /** How many calls have come, by "service METHOD". */
  readonly calls = new Map<string, number>();
  /** How many calls went on with a token that no service takes. */
  spoiled = 0;
  #lastToken = "";
  #spoiledToken: string | null = null;
  readonly #server = http.createServer((request, response) => void this.#take(request, response));
  readonly #user: CloudUser;
  #fate: (call: PassingCall) => Fate | null = () => null;
  #released = Promise.withResolvers<void>();

  private constructor(user: CloudUser) {
    this.#user = user;
  }

  static async start(user: CloudUser): Promise<FaultProxy> {
    const proxy = new FaultProxy(user);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** The keys of clouds.yaml that lead calls through here. */
  get overrides(): Readonly<Record<string, string>> {
    const { port } = this.#server.address() as AddressInfo;
    const url = (service: ServiceType) => `http://127.0.0.1:${port}/${service}${this.#prefix(service)}`;
    const [compute, network, image] = [url("compute"), url("network"), url("image")];
    const hasVolumes = this.#user.endpoint("volumev3") !== undefined;
    return {
      compute_endpoint_override: compute,
      network_endpoint_override: network,
      image_endpoint_override: image,
      ...(hasVolumes ? { volume_endpoint_override: url("volumev3") } : {}),
    };
  }

  /** The path of a service's address: its version. */
  #prefix(service: ServiceType): string {
    return new URL(this.#user.endpoint(service) ?? "http://none").pathname.replace(/\/$/, "");
  }

  /** Decides on every call from now on. */
  decide(fate: (call: PassingCall) => Fate | null): void {
    this.#fate = fate;
  }

  /** Lets the next call that fits have this fate; all others pass. */
  next(fits: (call: PassingCall) => boolean, fate: Fate): void {
    this.decide((call) => {
      if (!fits(call)) return null;
      this.decide(() => null);
      return fate;
    });
  }

  /** Lets no call be answered until the function that is returned is called. */
  hang(): () => void {
    this.#released = Promise.withResolvers();
    this.decide(() => ({ kind: "hang" }));
    return () => {
      this.decide(() => null);
      this.#released.resolve();
    };
  }

  /** Makes the token that was used last one that no service takes any more. */
  spoilToken(): void {
    this.#spoiledToken = this.#lastToken;
  }

  async close(): Promise<void> {
    this.#released.resolve();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const [, service = "", rest = ""] = /^\/(\w+)(.*)$/.exec(request.url ?? "") ?? [];
    const type = service as ServiceType;
    const call = { service: type, method: request.method ?? "", path: rest.slice(this.#prefix(type).length) };
    const key = `${call.service} ${call.method}`;
    this.calls.set(key, (this.calls.get(key) ?? 0) + 1);
    const fate = this.#fate(call);
    if (fate?.kind === "hang") {
      await this.#released.promise;
      request.socket.destroy();
      return;
    }
    if (fate?.kind === "answer") {
      request.resume();
      response.writeHead(fate.status, { "content-type": "application/json" });
      response.end(JSON.stringify(fate.body));
      return;
    }
    await this.#pass(call, fate, request, response);
  }

  async #pass(
    call: PassingCall,
    fate: Fate | null,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    const { host: _host, connection: _connection, ...headers } = request.headers;
    this.#lastToken = `${headers["x-auth-token"]}`;
    if (this.#lastToken === this.#spoiledToken) {
      headers["x-auth-token"] = `spoiled${this.#lastToken}`;
      this.spoiled += 1;
    }
    let changed: string | null = null;
    if (fate?.kind === "change") {
      let text = "";
      for await (const part of request.setEncoding("utf8")) text += part;
      changed = JSON.stringify(fate.change(JSON.parse(text) as never));
      headers["content-length"] = `${Buffer.byteLength(changed)}`;
    }
    const url = `${this.#user.endpoint(call.service)}${call.path}`;
    const onward = http.request(url, { method: call.method, headers, agent: false }, (answer) => {
      if (fate?.kind === "lose") {
        answer.resume();
        answer.on("end", () => request.socket.destroy());
        return;
      }
      const { connection: _answered, ...answerHeaders } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, answerHeaders);
      answer.pipe(response);
    });
    onward.on("error", () => request.socket.destroy());
    response.on("close", () => onward.destroy());
    if (changed === null) request.pipe(onward);
    else onward.end(changed);
  }
}
