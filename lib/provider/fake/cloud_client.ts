// A fake cloud in another process.
import { Agent, request } from "node:http";
import {
  type Instance,
  type Leftover,
  NameTakenError,
  NotFoundError,
  ProviderError,
  type ProviderImage,
  QuotaError,
  type Resources,
  ThrottledError,
} from "../contract.ts";
import type { CloudApi, InstanceWish } from "./api.ts";
import type { ErrorMessage } from "./cloud_server.ts";

/** Calls a cloud that is served elsewhere. */
export class CloudClient implements CloudApi {
  readonly #place: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  readonly #agent = new Agent({ keepAlive: true });
  readonly zones = [];

  /** @param address as unix:/path or 127.0.0.1:port */
  constructor(address: string) {
    const [host = "", port = ""] = address.split(":");
    this.#place = host === "unix" ? { socketPath: address.slice(5) } : { host, port: Number(port) };
  }

  listInstances(signal: AbortSignal): Promise<Instance[]> {
    return this.#call("listInstances", [], signal);
  }

  createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance> {
    return this.#call("createInstance", [wish], signal);
  }

  awaitInstance(id: string, signal: AbortSignal): Promise<Instance | null> {
    return this.#call("awaitInstance", [id], signal);
  }

  deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    return this.#call("deleteInstance", [id], signal);
  }

  consoleLog(id: string, signal: AbortSignal): Promise<string | null> {
    return this.#call("consoleLog", [id], signal);
  }

  listImages(signal: AbortSignal): Promise<ProviderImage[]> {
    return this.#call("listImages", [], signal);
  }

  createImage(image: Omit<ProviderImage, "externalId">, signal: AbortSignal): Promise<string> {
    return this.#call("createImage", [image], signal);
  }

  deleteImage(id: string, signal: AbortSignal): Promise<void> {
    return this.#call("deleteImage", [id], signal);
  }

  listLeftovers(signal: AbortSignal): Promise<Leftover[]> {
    return this.#call("listLeftovers", [], signal);
  }

  deleteLeftover(id: string, signal: AbortSignal): Promise<void> {
    return this.#call("deleteLeftover", [id], signal);
  }

  limits(signal: AbortSignal): Promise<Resources> {
    return this.#call("limits", [], signal);
  }

  async #call<T>(method: keyof CloudApi, words: readonly unknown[], signal: AbortSignal): Promise<T> {
    const text = await this.#post(`/${method}`, JSON.stringify(words), signal);
    const reply = JSON.parse(text) as { readonly result: T } | { readonly error: ErrorMessage };
    if ("result" in reply) return reply.result;
    const { kind, message, retryable, retryAfterMs = null } = reply.error;
    if (kind === "throttled") throw new ThrottledError(message, { retryAfterMs });
    if (kind === "quota") throw new QuotaError(message);
    if (kind === "name-taken") throw new NameTakenError(message);
    if (kind === "not-found") throw new NotFoundError(message);
    throw new ProviderError(message, { retryable });
  }

  #post(path: string, body: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(signal.aborted ? signal.reason : new ProviderError(error.message));
      const call = request(
        { ...this.#place, path, method: "POST", agent: this.#agent, signal },
        async (response) => {
          let text = "";
          response.on("error", fail);
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () => {
            if (response.statusCode === 200) resolve(text);
            else fail(new Error(`the cloud answered ${response.statusCode}: ${text}`));
          });
        },
      );
      call.on("error", fail);
      call.end(body);
    });
  }
}
