// One HTTP call at a time, on Node.js and Deno alike. Not on `fetch`: that cannot be given an authority, a client
// certificate or the file of an image on both.
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Writable } from "node:stream";
import type { Cloud } from "../../config/clouds/cloud.ts";
import { CloudConfigError, type Env } from "../../config/clouds/files.ts";
import type { Clock } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import { readProxies } from "./proxies.ts";

/** The longest answer, in characters: a page of a list has some hundred kilobytes. */
const LONGEST_ANSWER = 64 * 1024 * 1024;
/** Connections to one service at once. */
const CONNECTIONS = 16;
/** How long a server may take to ask for a body, in milliseconds; not every one knows that it should. */
const PATIENCE_MS = 1000;
const EXPECTATION_FAILED = 417;

export interface HttpCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * A text, or what writes the body and ends it. The server is told of the latter before it is sent: it can say no while
   * its answer is still heard, which is not sure once it closes the connection in the middle of the body.
   */
  readonly body?: string | ((target: Writable) => Promise<void>);
  /**
   * Takes a connection that was not used before. A connection that was idle may be closed by the server just as we
   * write, and nobody knows then whether the call was done.
   */
  readonly isFresh?: boolean;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The connections to one cloud. */
export class HttpConnections {
  /** The first of each is for connections that are used again, the second for those that are not. */
  readonly #http: readonly [HttpAgent, HttpAgent];
  readonly #https: readonly [HttpsAgent, HttpsAgent];
  readonly #tls: Readonly<Record<string, unknown>>;
  readonly #clock: Pick<Clock, "after">;

  private constructor(
    tls: Readonly<Record<string, unknown>>,
    proxyEnv: Readonly<Record<string, string>>,
    clock: Pick<Clock, "after">,
  ) {
    this.#clock = clock;
    const kept = { keepAlive: true, maxSockets: CONNECTIONS };
    this.#tls = tls;
    this.#http = [new HttpAgent({ ...kept, proxyEnv }), new HttpAgent({ proxyEnv })];
    this.#https = [new HttpsAgent({ ...kept, ...tls, proxyEnv }), new HttpsAgent({ ...tls, proxyEnv })];
  }

  /**
   * Reads the files of the cloud's authority and certificate, and the environment's proxies.
   *
   * @throws {CloudConfigError} for a file that is not there and a proxy that cannot be used
   */
  static async open(
    cloud: Pick<Cloud, "name" | "source" | "verify" | "caFile" | "certFile" | "keyFile">,
    env: Env,
    clock: Pick<Clock, "after">,
  ): Promise<HttpConnections> {
    const read = async (key: string, path: string | null) => {
      if (path === null) return undefined;
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        const reason = messageOf(error);
        throw new CloudConfigError(
          `cloud '${cloud.name}' of ${cloud.source}: ${key} cannot be read: ${reason}`,
        );
      }
    };
    const [ca, cert, key] = await Promise.all([
      read("cacert", cloud.caFile),
      read("cert", cloud.certFile),
      read("key", cloud.keyFile ?? cloud.certFile),
    ]);
    const tls = {
      ...(cloud.verify ? {} : { rejectUnauthorized: false }),
      ...(ca === undefined || !cloud.verify ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
    };
    return new HttpConnections(tls, readProxies(env), clock);
  }

  /** Makes the call. @throws whatever broke the connection, or the signal's reason */
  async call(call: HttpCall): Promise<HttpReply> {
    const { body } = call;
    if (typeof body !== "function") return await this.#exchange(call, call.headers, body);
    let isBegun = false;
    const send = (target: Writable) => {
      isBegun = true;
      return body(target);
    };
    const reply = await this.#exchange(call, { ...call.headers, expect: "100-continue" }, send);
    // An old proxy refuses to pass on what is expected.
    const isRefused = reply.status === EXPECTATION_FAILED && !isBegun;
    return isRefused ? await this.#exchange(call, call.headers, body) : reply;
  }

  async #exchange(call: HttpCall, headers: HttpCall["headers"], body: HttpCall["body"]): Promise<HttpReply> {
    const { method, url, signal } = call;
    signal.throwIfAborted();
    const isTls = url.protocol === "https:";
    const given =
      typeof body === "string" ? { ...headers, "content-length": `${Buffer.byteLength(body)}` } : headers;
    const options = {
      method,
      headers: { ...given, ...(call.isFresh ? { connection: "close" } : {}) },
      signal,
      ...(isTls ? this.#tls : {}),
      agent: (isTls ? this.#https : this.#http)[call.isFresh ? 1 : 0],
    } as const;
    const request = isTls ? httpsRequest(url, options) : httpRequest(url, options);
    const reply = readReply(request);
    // It is awaited below; until then it must not count as unheard.
    reply.catch(() => undefined);
    try {
      if (typeof body !== "function") request.end(body);
      else if (await isWanted(request, reply, headers, this.#clock))
        await Promise.race([body(request), reply]);
      return await reply;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      // Whoever has answered does not want the rest.
      if (typeof body === "function") request.destroy();
    }
  }

  close(): void {
    for (const agent of [...this.#http, ...this.#https]) agent.destroy();
  }
}

/** Whether the body is to be sent: the server asks for it, or does not answer in time. */
async function isWanted(
  request: ClientRequest,
  reply: Promise<HttpReply>,
  headers: HttpCall["headers"],
  clock: Pick<Clock, "after">,
): Promise<boolean> {
  if (headers.expect === undefined) return true;
  const asked = Promise.withResolvers<boolean>();
  request.once("continue", () => asked.resolve(true));
  const cancel = clock.after(PATIENCE_MS, () => asked.resolve(true));
  request.flushHeaders();
  try {
    return await Promise.race([asked.promise, reply.then(() => false)]);
  } finally {
    cancel();
  }
}

function readReply(request: ClientRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response: IncomingMessage) => {
      const parts: string[] = [];
      let length = 0;
      response.setEncoding("utf8").on("data", (part: string) => {
        parts.push(part);
        length += part.length;
        if (length > LONGEST_ANSWER) request.destroy(new Error("the answer is longer than 64 MB"));
      });
      response.on("error", reject);
      response.on("aborted", () =>
        reject(new Error("the connection was closed in the middle of the answer")),
      );
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: parts.join("") }),
      );
    });
  });
}

/** What `Retry-After` says, in milliseconds: it is seconds or a date. */
export function retryAfter({ headers }: HttpReply, now: number): number | null {
  const value = headers["retry-after"];
  if (typeof value !== "string" || value === "") return null;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : null;
}

/** Whether a call failed because of a certificate. */
export function isTlsProblem(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // Deno has no code for it.
  const isSaid = /certificate|self.signed/i.test(messageOf(error));
  return isSaid || /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|ERR_SSL|ERR_TLS|EPROTO/.test(code);
}
