// Every call to Nova, Neutron, Glance and Cinder goes through here: paced, with a token, a deadline, a span and a
// metric; repeated with growing pauses where that is safe; errors told in a sentence, without secrets.
import type { Writable } from "node:stream";
import { metrics } from "@opentelemetry/api";
import type { Cloud } from "../../config/clouds/cloud.ts";
import { backoffDelay } from "../../std/backoff.ts";
import type { Clock } from "../../std/clock.ts";
import { type Deadline, deadline } from "../../std/deadline.ts";
import { messageOf } from "../../std/errors.ts";
import { followSignals } from "../../std/follow_signals.ts";
import type { Logger } from "../../std/logger.ts";
import { withSpan } from "../../telemetry/trace.ts";
import { Pace } from "../pace.ts";
import { endpointOf } from "./catalogue.ts";
import { ApiError, isOwnNotFound, replyMessage, SERVICE_NAMES, type ServiceName } from "./errors.ts";
import { type HttpConnections, type HttpReply, isTlsProblem, retryAfter } from "./http.ts";
import { Identity, type Token } from "./identity.ts";

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

/** How calls are made. */
export interface ApiClientOptions {
  readonly provider: string;
  readonly cloud: Cloud;
  readonly connections: HttpConnections;
  /** Seconds between calls. */
  readonly rate: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the provider is stopped. */
  readonly closing: AbortSignal;
}

const ATTEMPTS = 4;
const DEADLINE_MS = 60_000;
const PAUSE = { initial: 500, maximum: 8000 };
const LONGEST_RETRY_AFTER_MS = 60_000;
/** Pages of one list: more are a loop. */
const PAGES = 1000;

export class ApiClient {
  readonly identity: Identity;
  readonly #options: ApiClientOptions;
  readonly #pace: Pace;
  readonly #duration;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.identity = new Identity(options);
    this.#pace = new Pace(options.rate, options.clock);
    this.#duration = metrics.getMeter("nodepool").createHistogram("nodepool.openstack.request.duration", {
      description: "Time that calls to OpenStack's services take",
      unit: "s",
    });
  }

  /** Where a service is. @throws {ProviderError} when the catalogue does not have it */
  async endpoint(service: ServiceName, signal: AbortSignal): Promise<string> {
    return endpointOf(this.#options.cloud, await this.#token(signal), service);
  }

  /** What slows calls down, in words; null when nothing does. */
  get slowness(): string | null {
    return this.#pace.describe();
  }

  /** For how long in all calls have waited because the cloud refused some, in milliseconds. */
  get heldUpMs(): number {
    return this.#pace.heldUpMs;
  }

  /** The project of the token; null for a token without one. */
  async projectId(signal: AbortSignal): Promise<string | null> {
    return (await this.#token(signal)).projectId;
  }

  /** Makes a call. @throws {ApiError} for every answer but 2xx, and for none */
  async call(call: ApiCall): Promise<ApiReply> {
    const isRepeatable = call.isRepeatable ?? (call.method !== "POST" && call.stream === undefined);
    let hasNewToken = false;
    for (let attempt = 1; ; attempt += 1) {
      const token = await this.#token(call.signal);
      const outcome = await this.#once(call, token);
      if (
        outcome instanceof ApiError &&
        outcome.status === 401 &&
        !hasNewToken &&
        call.stream === undefined
      ) {
        // It was refused before anything was done, so that even a create may be made again.
        this.identity.refuse(token);
        hasNewToken = true;
        continue;
      }
      if (outcome instanceof ApiError && outcome.status === 429) {
        // Not a failure, and no attempt: it was not done, and is when its turn has come again.
        attempt -= 1;
        this.#slowDown(outcome);
        continue;
      }
      this.#pace.taken();
      if (!(outcome instanceof ApiError)) return outcome;
      const wait = this.#waitBefore(outcome, isRepeatable, attempt);
      if (wait === null) throw outcome;
      await this.#options.clock.sleep(wait, call.signal);
    }
  }

  /**
   * All items of a list, page by page. `key` is the list's key in the answer; the next page is in `KEY_links` or `next`.
   */
  async list<T>(key: string, call: Omit<ApiCall, "method">): Promise<T[]> {
    const items: T[] = [];
    let query = call.query ?? {};
    for (let page = 1; page <= PAGES; page += 1) {
      const { body, status } = await this.call({ ...call, method: "GET", query });
      const reply = (body ?? {}) as Readonly<Record<string, unknown>>;
      const part = reply[key];
      // No list is not an empty one: whoever takes it for one believes that everything is gone.
      if (!Array.isArray(part)) throw this.#error(call, status, `an answer without '${key}'`, true);
      items.push(...(part as T[]));
      const next = nextPage(reply, key);
      if (next === null || part.length === 0) return items;
      // Of the address only the query: behind a proxy the services do not know their own name.
      query = Object.fromEntries(new URL(next, "http://next/").searchParams);
    }
    throw this.#error(call, null, `a list of more than ${PAGES} pages`, false);
  }

  /** The error of a call that was taken, and whose answer says nothing: nobody knows what was done. */
  unreadable(call: Pick<ApiCall, "service" | "path" | "method">): ApiError {
    return this.#error(call, null, "an answer that does not say what was made", true);
  }

  /** A token. Where Keystone refuses to give one now, for being asked too often, it is asked again in our turn. */
  async #token(signal: AbortSignal): Promise<Token> {
    while (true) {
      try {
        return await this.identity.token(signal);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 429)) throw error;
        this.#slowDown(error);
        await this.#pace.turn(AbortSignal.any([signal, this.#options.closing]));
      }
    }
  }

  /** How long to wait before the call is made again; null when it must not be. */
  #waitBefore(error: ApiError, isRepeatable: boolean, attempt: number): number | null {
    if (attempt >= ATTEMPTS) return null;
    // A 503 comes from a proxy too that has given up on a service which goes on.
    const isTransient = error.status === null || [404, 408, 500, 502, 503, 504].includes(error.status);
    if (!(isTransient && isRepeatable && error.retryable)) return null;
    return Math.max(backoffDelay(attempt, PAUSE), Math.min(error.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS));
  }

  #slowDown(error: ApiError): void {
    if (!this.#pace.refused(error.retryAfterMs)) return;
    const { logger, provider } = this.#options;
    const problem = this.#pace.describe();
    logger.warn("the cloud is called more slowly", { provider, problem, error: error.message });
  }

  async #once(call: ApiCall, token: Token): Promise<ApiReply | ApiError> {
    const { clock, closing, provider, logger } = this.#options;
    await this.#pace.turn(AbortSignal.any([call.signal, closing]));
    const url = new URL(`${endpointOf(this.#options.cloud, token, call.service)}${call.path}`);
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
    const { connections } = this.#options;
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
      const said = replyMessage(this.identity.redact(withoutUserData(call, reply.text), token));
      const { status } = reply;
      const isNotFound = status === 404 && isOwnNotFound(reply);
      const isPassing = status >= 500 || [401, 403, 404, 408, 409, 429].includes(status);
      return this.#error(call, status, said, isPassing && !isNotFound, {
        isNotFound,
        retryAfterMs: retryAfter(reply, this.#options.clock.now()),
      });
    } catch (error) {
      call.signal.throwIfAborted();
      this.#options.closing.throwIfAborted();
      const isTls = isTlsProblem(error);
      const remedy = isTls ? "; set cacert to the authority's file" : "";
      return this.#error(call, null, `${this.identity.redact(messageOf(error), token)}${remedy}`, !isTls, {
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
      return this.#error(call, status, "an answer that is no JSON", true, { cause: error });
    }
  }

  #bounds(call: ApiCall): Deadline {
    const { clock, closing } = this.#options;
    const others = [call.signal, closing];
    if (call.stream === undefined) {
      return deadline(clock, DEADLINE_MS, () => new Error(`no answer in ${DEADLINE_MS / 1000} s`), others);
    }
    const { controller, stop } = followSignals(others);
    return { signal: controller.signal, stop };
  }

  #error(
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
    const message = `provider ${this.#options.provider}: ${what} ${answer}: ${reply}${remedy}`;
    return new ApiError(message, { service: call.service, status, reply, retryable, ...more });
  }
}

/** Nova repeats what it does not take: of a server's user data, which may hold secrets, nothing is told. */
function withoutUserData({ body }: ApiCall, text: string): string {
  const data = (body as { server?: { user_data?: unknown } } | undefined)?.server?.user_data;
  return typeof data === "string" && data !== "" ? text.replaceAll(data, "***") : text;
}

function nextPage(reply: Readonly<Record<string, unknown>>, key: string): string | null {
  if (typeof reply.next === "string") return reply.next;
  const links = reply[`${key}_links`];
  if (!Array.isArray(links)) return null;
  const next = links.find((link: { rel?: unknown }) => link?.rel === "next") as
    | { href?: unknown }
    | undefined;
  return typeof next?.href === "string" ? next.href : null;
}
