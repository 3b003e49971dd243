// One exchange with a service of OpenStack: with a token, a deadline, a span and a metric; what fails is told in a sentence,
// without secrets.
import type { Writable } from "node:stream";
import { metrics } from "@opentelemetry/api";
import { type Deadline, deadline } from "../../std/deadline.ts";
import { messageOf } from "../../std/errors.ts";
import { withSpan } from "../../telemetry/trace.ts";
import { endpointOf } from "./catalogue.ts";
import { ApiError, isOwnNotFound, replyMessage, SERVICE_NAMES, type ServiceName } from "./errors.ts";
import { type HttpReply, isTlsProblem, retryAfter } from "./http.ts";
import type { Identity, IdentityTools, Token } from "./identity.ts";

/** One call of a service. */
export interface ApiCall {
  readonly service: ServiceName;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the service's address, as /servers/detail. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Writes the body instead, and ends it; the call then has no deadline but its signal. */
  readonly stream?: { readonly length: number; readonly send: (target: Writable) => Promise<void> };
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it may be made again when nobody knows whether it was done. @default false for POST and a stream */
  readonly isRepeatable?: boolean;
  readonly signal: AbortSignal;
}

export interface ApiReply {
  readonly status: number;
  /** The JSON of the answer; null when there was none. */
  readonly body: unknown;
  readonly headers: HttpReply["headers"];
}

const DEADLINE_MS = 60_000;

export class Exchanges {
  readonly #tools: IdentityTools;
  readonly #identity: Identity;
  readonly #duration;

  constructor(tools: IdentityTools, identity: Identity) {
    this.#tools = tools;
    this.#identity = identity;
    this.#duration = metrics.getMeter("nodepool").createHistogram("nodepool.openstack.request.duration", {
      description: "Time that calls to OpenStack's services take",
      unit: "s",
    });
  }

  /** Makes the call, once. @throws the reason of a signal */
  async make(call: ApiCall, token: Token): Promise<ApiReply | ApiError> {
    const { clock, provider, logger } = this.#tools;
    const url = new URL(`${endpointOf(this.#tools.cloud, token, call.service)}${call.path}`);
    for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.append(key, value);
    const started = clock.now();
    // Ids would make every path a series of its own.
    const route = call.path.replace(/\/[0-9a-f-]{32,36}(?=\/|$)/g, "/{id}");
    const attributes = {
      "nodepool.provider": provider,
      "openstack.service": call.service,
      "http.request.method": call.method,
      "url.path": route,
      "server.address": url.hostname,
    };
    const name = `openstack.${call.service}.${call.method.toLowerCase()}`;
    return await withSpan(name, { kind: "client", attributes }, async (span) => {
      const outcome = await this.#send(call, token, url);
      const status = outcome.status ?? 0;
      const seconds = (clock.now() - started) / 1000;
      if (status > 0) span.setAttribute("http.response.status_code", status);
      const labels = { provider, service: call.service, method: call.method, status: `${status}` };
      this.#duration.record(seconds, labels);
      const failure = outcome instanceof ApiError ? { error: outcome.reply } : {};
      logger.debug("openstack call", { ...labels, path: route, seconds, ...failure });
      return outcome;
    });
  }

  async #send(call: ApiCall, token: Token, url: URL): Promise<ApiReply | ApiError> {
    const { connections } = this.#tools;
    const { signal, stop } = this.#bounds(call);
    const body = call.stream?.send ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const headers = {
      "x-auth-token": token.id,
      accept: "application/json",
      ...(call.body === undefined ? {} : { "content-type": "application/json" }),
      ...(call.stream === undefined ? {} : { "content-length": `${call.stream.length}` }),
      ...call.headers,
    };
    try {
      const isFresh = call.method === "POST" || call.stream !== undefined;
      const reply = await connections.call({
        method: call.method,
        url,
        headers,
        ...(body === undefined ? {} : { body }),
        isFresh,
        signal,
      });
      if (reply.status >= 200 && reply.status < 300) return this.#read(call, reply);
      const said = replyMessage(this.#identity.redact(withoutUserData(call, reply.text), token));
      const { status } = reply;
      const isNotFound = status === 404 && isOwnNotFound(reply);
      const isPassing = status >= 500 || [401, 403, 404, 408, 409, 429].includes(status);
      return this.error(call, status, said, isPassing && !isNotFound, {
        isNotFound,
        retryAfterMs: retryAfter(reply, this.#tools.clock.now()),
      });
    } catch (error) {
      call.signal.throwIfAborted();
      this.#tools.closing.throwIfAborted();
      const isTls = isTlsProblem(error);
      const remedy = isTls ? "; set cacert to the authority's file" : "";
      return this.error(call, null, `${this.#identity.redact(messageOf(error), token)}${remedy}`, !isTls, {
        cause: error,
      });
    } finally {
      stop();
    }
  }

  #read(call: ApiCall, reply: HttpReply): ApiReply | ApiError {
    const { status, headers, text } = reply;
    if (text === "") return { status, headers, body: null };
    try {
      return { status, headers, body: JSON.parse(text) };
    } catch (error) {
      return this.error(call, status, "an answer that is no JSON", true, { cause: error });
    }
  }

  #bounds(call: ApiCall): Deadline {
    const { clock, closing } = this.#tools;
    const limit = call.stream === undefined ? DEADLINE_MS : Number.POSITIVE_INFINITY;
    const late = () => new Error(`no answer in ${DEADLINE_MS / 1000} s`);
    return deadline(clock, limit, late, [call.signal, closing]);
  }

  /** The error of a call, in a sentence. */
  error(
    call: Pick<ApiCall, "service" | "path"> & { readonly method?: string },
    status: number | null,
    reply: string,
    retryable: boolean,
    more: {
      readonly isNotFound?: boolean;
      readonly retryAfterMs?: number | null;
      readonly cause?: unknown;
    } = {},
  ): ApiError {
    const answer = status === null ? "was not answered" : `answered ${status}`;
    const what = `${SERVICE_NAMES[call.service]}: ${call.method ?? "GET"} ${call.path}`;
    const isFromProxy = status === 404 && more.isNotFound !== true;
    const remedy = isFromProxy ? "; the service itself does not say so: look at the proxy before it" : "";
    const message = `provider ${this.#tools.provider}: ${what} ${answer}: ${reply}${remedy}`;
    return new ApiError(message, { service: call.service, status, reply, retryable, ...more });
  }
}

/** Nova repeats what it does not take: of a server's user data, which may hold secrets, nothing is told. */
function withoutUserData({ body }: ApiCall, text: string): string {
  const data = (body as { server?: { user_data?: unknown } } | undefined)?.server?.user_data;
  return typeof data === "string" && data !== "" ? text.replaceAll(data, "***") : text;
}
