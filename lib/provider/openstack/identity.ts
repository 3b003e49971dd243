// The token: got from Keystone with the cloud's credentials, shared by all calls, and renewed before it expires or
// as soon as a service does not take it any more.
import type { Cloud } from "../../config/clouds/cloud.ts";
import { abortable } from "../../std/abortable.ts";
import type { Clock } from "../../std/clock.ts";
import { messageOf } from "../../std/errors.ts";
import { withSpan } from "../../telemetry/trace.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { ApiError, replyMessage } from "./errors.ts";
import { type HttpConnections, type HttpReply, isTlsProblem } from "./http.ts";

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
/** While a token still holds, Keystone is asked again after this long when it gave no other. */
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

export class Identity {
  readonly #cloud: Cloud;
  readonly #connections: HttpConnections;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  #token: Token | null = null;
  #renewal: Promise<Token> | null = null;
  /** How many tokens were got. */
  logins = 0;

  constructor(cloud: Cloud, connections: HttpConnections, clock: Clock, closing: AbortSignal) {
    this.#cloud = cloud;
    this.#connections = connections;
    this.#clock = clock;
    this.#closing = closing;
  }

  /** A token that is good for a while. @throws {ApiError} when Keystone gives none, with the remedy */
  async token(signal: AbortSignal): Promise<Token> {
    if (this.#token !== null && this.#clock.now() < this.#token.renewAt) return this.#token;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    return await abortable(this.#renewal, signal);
  }

  /** A service has refused this token: the next call gets another. */
  refuse(token: Token): void {
    if (this.#token?.id === token.id) this.#token = null;
  }

  /** The text without credentials and token. */
  redact(text: string): string {
    const secrets = [...this.#cloud.credentials.secrets, this.#token?.id ?? ""].filter(
      (one) => one.length > 3,
    );
    return secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
  }

  async #renew(): Promise<Token> {
    const expiry = new AbortController();
    const cancel = this.#clock.after(DEADLINE_MS, () =>
      expiry.abort(new Error(`no answer in ${DEADLINE_MS / 1000} s`)),
    );
    const signal = AbortSignal.any([this.#closing, expiry.signal]);
    try {
      return await withSpan("openstack.login", { kind: "client" }, () => this.#login(signal));
    } catch (error) {
      const [token, now] = [this.#token, this.#clock.now()];
      if (token === null || now >= token.expiresAt) throw error;
      this.#token = { ...token, renewAt: Math.min(token.expiresAt, now + RENEWAL_PAUSE_MS) };
      return this.#token;
    } finally {
      cancel();
    }
  }

  async #login(signal: AbortSignal): Promise<Token> {
    const { authUrl, credentials } = this.#cloud;
    const asked = this.#clock.now();
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
      return await this.#connections.call({ ...call, isFresh: true });
    } catch (error) {
      if (this.#closing.aborted) throw error;
      const remedy = isTlsProblem(error)
        ? "set cacert to the authority's file, or verify: false if nobody can listen in between"
        : "check auth_url, and that Keystone runs";
      throw this.#failed(null, this.redact(messageOf(error)), remedy, error);
    }
  }

  #refused(reply: HttpReply): ApiError {
    const said = this.redact(replyMessage(reply.text));
    const remedies: Readonly<Record<number, string>> = {
      401: "check the user, the password and the project, or the application credential",
      403: "ask whoever runs the cloud what the user may do",
      404: "check auth_url: it must be that of Identity v3",
    };
    return this.#failed(reply.status, said, remedies[reply.status] ?? "try again later");
  }

  #failed(status: number | null, reply: string, remedy: string, cause?: unknown): ApiError {
    const { authUrl, credentials, name, source } = this.#cloud;
    const answer = status === null ? "cannot be asked" : `answered ${status}`;
    return new ApiError(
      `no token for ${credentials.who}: Keystone at ${authUrl} ${answer}: ${reply}; ${remedy} (cloud '${name}' of ${source})`,
      { service: "identity", status, reply, retryable: true, cause },
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
