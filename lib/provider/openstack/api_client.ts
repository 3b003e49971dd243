// Every call to Nova, Neutron, Glance and Cinder goes through here: paced, with a token, and repeated with growing pauses
// where that is safe.
import { backoffDelay } from "../../std/backoff.ts";
import { Pace } from "../pace.ts";
import { endpointOf } from "./catalogue.ts";
import { ApiError, type ServiceName } from "./errors.ts";
import { type ApiCall, type ApiReply, Exchanges } from "./exchange.ts";
import { Identity, type IdentityTools, type Token } from "./identity.ts";

/** How calls are made. */
export interface ApiClientOptions extends IdentityTools {
  /** Seconds between calls. */
  readonly rate: number;
}

const ATTEMPTS = 4;
const PAUSE = { initial: 500, maximum: 8000 };
const LONGEST_RETRY_AFTER_MS = 60_000;
/** Pages of one list: more are a loop. */
const PAGES = 1000;

export class ApiClient {
  readonly identity: Identity;
  readonly #options: ApiClientOptions;
  readonly #pace: Pace;
  readonly #exchanges: Exchanges;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.identity = new Identity(options);
    this.#pace = new Pace(options.rate, options.clock);
    this.#exchanges = new Exchanges(options, this.identity);
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
      await this.#pace.turn(AbortSignal.any([call.signal, this.#options.closing]));
      const outcome = await this.#exchanges.make(call, token);
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
      if (!Array.isArray(part)) throw this.#exchanges.error(call, status, `an answer without '${key}'`, true);
      items.push(...(part as T[]));
      const next = nextPage(reply, key);
      if (next === null || part.length === 0) return items;
      // Of the address only the query: behind a proxy the services do not know their own name.
      query = Object.fromEntries(new URL(next, "http://next/").searchParams);
    }
    throw this.#exchanges.error(call, null, `a list of more than ${PAGES} pages`, false);
  }

  /** The error of a call that was taken, and whose answer says nothing: nobody knows what was done. */
  unreadable(call: Pick<ApiCall, "service" | "path" | "method">): ApiError {
    return this.#exchanges.error(call, null, "an answer that does not say what was made", true);
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
