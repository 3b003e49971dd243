// The token: got from Keystone with the cloud's credentials, shared by all calls, and renewed before it expires, while
// calls go on with it, or as soon as a service does not take it any more.
import type { Cloud } from "../../config/clouds/cloud.ts";
import { abortable } from "../../std/abortable.ts";
import type { Clock } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import type { Logger } from "../../std/logger.ts";
import { withSpan } from "../../telemetry/trace.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { ApiError, replyMessage } from "./errors.ts";
import { type HttpConnections, type HttpReply, isTlsProblem, retryAfter } from "./http.ts";

/** A token and what came with it. */
export interface Token {
  readonly id: string;
  /** Milliseconds since the epoch, by our own clock; Infinity when Keystone does not say. */
  readonly renewAt: number;
  readonly expiresAt: number;
  readonly projectId: string | null;
  readonly catalogue: readonly CatalogueEntry[];
}

/** A token is renewed when this much of its life is left, at most five minutes. */
const MARGIN = 0.2;
const LONGEST_MARGIN_MS = 300_000;
/** While a token still holds, Keystone is asked again after this long, or as it asks, when it gave no other. */
const RENEWAL_PAUSE_MS = 10_000;
const DEADLINE_MS = 60_000;

interface TokenBody {
  readonly token?: {
    readonly issued_at?: string;
    readonly expires_at?: string;
    readonly project?: { readonly id?: string };
    readonly catalog?: readonly CatalogueEntry[];
  };
}

/** What logging in needs. */
export interface IdentityTools {
  readonly provider: string;
  readonly cloud: Cloud;
  readonly connections: HttpConnections;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the provider is stopped. */
  readonly closing: AbortSignal;
}

export class Identity {
  readonly #tools: IdentityTools;
  #token: Token | null = null;
  #renewal: Promise<Token> | null = null;
  /** Whether the last renewal failed: only the first failure in a row is told. */
  #isFailing = false;
  /** How many tokens were got. */
  logins = 0;

  constructor(tools: IdentityTools) {
    this.#tools = tools;
  }

  /**
   * A token that still holds; it is renewed meanwhile when it will not hold for long.
   *
   * @throws {ApiError} when there is none and Keystone gives none, with the remedy
   */
  async token(signal: AbortSignal): Promise<Token> {
    const [token, now] = [this.#token, this.#tools.clock.now()];
    if (token !== null && now < token.renewAt) return token;
    if (this.#renewal === null) {
      this.#renewal = this.#renew().finally(() => {
        this.#renewal = null;
      });
      // Nobody may be waiting for it.
      this.#renewal.catch(() => undefined);
    }
    if (token !== null && now < token.expiresAt) return token;
    return await abortable(this.#renewal, signal);
  }

  /** A service has refused this token: the next call gets another. */
  refuse(token: Token): void {
    if (this.#token?.id === token.id) this.#token = null;
  }

  /** The text without credentials and tokens: the present one, and that of the call, which may be older. */
  redact(text: string, token: Token | null = null): string {
    const { secrets: own } = this.#tools.cloud.credentials;
    const secrets = [...own, this.#token?.id ?? "", token?.id ?? ""].filter((one) => one.length > 3);
    return secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
  }

  async #renew(): Promise<Token> {
    const { clock, closing, logger, provider } = this.#tools;
    const expiry = new AbortController();
    const cancel = clock.after(DEADLINE_MS, () =>
      expiry.abort(new Error(`no answer in ${DEADLINE_MS / 1000} s`)),
    );
    const signal = AbortSignal.any([closing, expiry.signal]);
    try {
      const renewed = await withSpan("openstack.login", { kind: "client" }, () => this.#login(signal));
      this.#isFailing = false;
      return renewed;
    } catch (error) {
      const [token, now] = [this.#token, clock.now()];
      if (token === null || now >= token.expiresAt) throw error;
      const seconds = Math.round((token.expiresAt - now) / 1000);
      const fields = { provider, error: messageOf(error), seconds };
      if (!this.#isFailing && !closing.aborted)
        logger.warn("the token cannot be renewed; calls go on with it for so many seconds", fields);
      this.#isFailing = true;
      const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      const pause = Math.max(RENEWAL_PAUSE_MS, asked);
      this.#token = { ...token, renewAt: Math.min(token.expiresAt, now + pause) };
      return this.#token;
    } finally {
      cancel();
    }
  }

  async #login(signal: AbortSignal): Promise<Token> {
    const { authUrl, credentials } = this.#tools.cloud;
    const asked = this.#tools.clock.now();
    const reply = await this.#post(`${authUrl}/auth/tokens`, credentials.body, signal);
    if (reply.status !== 201) throw this.#refused(reply);
    const id = reply.headers["x-subject-token"];
    const token = readBody(reply.text)?.token;
    if (typeof id !== "string" || token === undefined) {
      throw this.#failed(null, "what answers there is no Keystone", "check auth_url");
    }
    const life = Date.parse(token.expires_at ?? "") - Date.parse(token.issued_at ?? "");
    const margin = Math.min(life * MARGIN, LONGEST_MARGIN_MS);
    this.logins += 1;
    this.#token = {
      id,
      renewAt: Number.isFinite(life) ? asked + life - margin : Infinity,
      expiresAt: Number.isFinite(life) ? asked + life : Infinity,
      projectId: token.project?.id ?? null,
      catalogue: token.catalog ?? [],
    };
    return this.#token;
  }

  async #post(url: string, body: unknown, signal: AbortSignal): Promise<HttpReply> {
    const headers = { "content-type": "application/json", accept: "application/json" };
    try {
      const call = { method: "POST", url: new URL(url), headers, body: JSON.stringify(body), signal };
      return await this.#tools.connections.call({ ...call, isFresh: true });
    } catch (error) {
      if (this.#tools.closing.aborted) throw error;
      const remedy = isTlsProblem(error)
        ? "set cacert to the authority's file, or verify: false if nobody can listen in between"
        : "check auth_url, and that Keystone runs";
      throw this.#failed(null, this.redact(messageOf(error)), remedy, { cause: error });
    }
  }

  #refused(reply: HttpReply): ApiError {
    const said = this.redact(replyMessage(reply.text));
    const remedies: Readonly<Record<number, string>> = {
      401: "check the user, the password and the project, or the application credential",
      403: "ask whoever runs the cloud what the user may do",
      404: "check auth_url: it must be that of Identity v3",
    };
    const more = { retryAfterMs: retryAfter(reply, this.#tools.clock.now()) };
    return this.#failed(reply.status, said, remedies[reply.status] ?? "try again later", more);
  }

  #failed(
    status: number | null,
    reply: string,
    remedy: string,
    more: { readonly retryAfterMs?: number | null; readonly cause?: unknown } = {},
  ): ApiError {
    const { authUrl, credentials, name, source } = this.#tools.cloud;
    const answer = status === null ? "cannot be asked" : `answered ${status}`;
    return new ApiError(
      `no token for ${credentials.who}: Keystone at ${authUrl} ${answer}: ${reply}; ${remedy} (cloud '${name}' of ${source})`,
      { service: "identity", status, reply, retryable: true, ...more },
    );
  }
}

function readBody(text: string): TokenBody | null {
  try {
    return JSON.parse(text) as TokenBody | null;
  } catch {
    return null;
  }
}
