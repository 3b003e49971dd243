// Stands before the socket of a container engine, passes calls on, and lets one go wrong when asked to.
import { Buffer } from "node:buffer";
import http from "node:http";
import { text } from "node:stream/consumers";
import { unixAgent } from "../../lib/provider/local/container/unix_agent.ts";

/** A call that is about to be passed on. */
export interface DockerCall {
  readonly method: string;
  /** With the query, and with or without the version of the API. */
  readonly path: string;
}

/** What becomes of a call. */
export type DockerFate =
  | { readonly kind: "answer"; readonly status: number; readonly message: string }
  /** The engine carries it out, and the connection breaks instead of the answer. */
  | { readonly kind: "lose" }
  /** The engine carries it out, and its answer is kept back until the proxy is let go on. */
  | { readonly kind: "keep" }
  /** The engine never hears of it. */
  | { readonly kind: "hang" }
  /** The engine hears of it when the proxy is let go on, whoever still waits for it. */
  | { readonly kind: "delay" }
  /** The JSON that it carries is changed on its way. */
  | { readonly kind: "change"; readonly change: (body: Readonly<Record<string, unknown>>) => object };

export const isCreate = ({ method, path }: DockerCall) =>
  method === "POST" && path.includes("/containers/create");
export const isDelete = ({ method, path }: DockerCall) =>
  method === "DELETE" && path.includes("/containers/");

export class DockerProxy {
  /** Where it listens. */
  readonly socket: string;
  readonly #engine: string;
  readonly #server = http.createServer((request, response) => void this.#take(request, response));
  #fate: (call: DockerCall) => DockerFate | null = () => null;
  #released = Promise.withResolvers<void>();

  private constructor(socket: string, engine: string) {
    this.socket = socket;
    this.#engine = engine;
  }

  /** @param socket where to listen @param engine the socket of the engine */
  static async start(socket: string, engine: string): Promise<DockerProxy> {
    const proxy = new DockerProxy(socket, engine);
    await new Promise<void>((resolve) => proxy.#server.listen(socket, resolve));
    return proxy;
  }

  /** Lets the next call that fits have this fate; all others pass. Resolves when it has come. */
  next(fits: (call: DockerCall) => boolean, fate: DockerFate): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#fate = (call) => {
      if (!fits(call)) return null;
      this.#fate = () => null;
      resolve();
      return fate;
    };
    return promise;
  }

  /** Lets no call through until {@link release}. */
  hang(): void {
    this.#fate = () => ({ kind: "hang" });
  }

  /** Lets go of every call that hangs, unanswered, and lets the next ones pass. */
  release(): void {
    this.#fate = () => null;
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  async close(): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const fate = this.#fate({ method: request.method ?? "", path: request.url ?? "" });
    switch (fate?.kind) {
      case "hang":
        await this.#released.promise;
        request.socket.destroy();
        return;
      case "answer":
        request.resume();
        response.writeHead(fate.status, { "content-type": "application/json" });
        response.end(JSON.stringify({ message: fate.message }));
        return;
    }
    // An engine that needs no more than the headers to refuse a call closes while its body is still on the way, so that goes
    // with them. An image's tar has no length, and is read to its end.
    let body = "content-length" in request.headers ? await text(request) : null;
    if (fate?.kind === "change") body = JSON.stringify(fate.change(JSON.parse(body ?? "{}")));
    if (fate?.kind === "delay") await this.#released.promise;
    const isWithheld = fate?.kind === "lose" || fate?.kind === "keep";
    this.#pass(request, response, body, isWithheld ? fate.kind : undefined);
  }

  #pass(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    body: string | null,
    withhold: "lose" | "keep" | undefined,
  ): void {
    const { connection: _connection, ...headers } = request.headers;
    if (body !== null) headers["content-length"] = `${Buffer.byteLength(body)}`;
    const { method, url: path } = request;
    const place = { socketPath: this.#engine, agent: unixAgent() };
    const onward = http.request({ ...place, method, path, headers }, (answer) => {
      if (withhold !== undefined) {
        const released = withhold === "keep" ? this.#released.promise : Promise.resolve();
        answer.resume();
        answer.on("end", () => void released.then(() => request.socket.destroy()));
        return;
      }
      const { connection: _answered, ...answerHeaders } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, answerHeaders);
      answer.pipe(response);
    });
    onward.on("error", () => request.socket.destroy());
    // What is withheld is carried out, whether or not somebody still waits for it.
    if (withhold === undefined) response.on("close", () => onward.destroy());
    if (body === null) request.pipe(onward);
    else onward.end(body);
  }
}
