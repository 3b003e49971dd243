// What OpenStack's services answer when they do not do as told, as errors of the provider contract.
import { NotFoundError, ProviderError, QuotaError } from "../contract.ts";

/** A service's name for people. */
export const SERVICE_NAMES = {
  identity: "Keystone",
  compute: "Nova",
  network: "Neutron",
  image: "Glance",
  volume: "Cinder",
} as const;

export type ServiceName = keyof typeof SERVICE_NAMES;

/** A call that was answered with an error, or not at all. */
export class ApiError extends ProviderError {
  override name = "ApiError";
  readonly service: ServiceName;
  /** The HTTP status; null when there was no answer, so that nobody knows whether it was done. */
  readonly status: number | null;
  /** What the service said, without our own words around it. */
  readonly reply: string;
  /** Whether the service itself says that what the call is about is not there. */
  readonly isNotFound: boolean;
  /** How long the service asks us to wait, in milliseconds; null when it does not say. */
  readonly retryAfterMs: number | null;

  constructor(
    message: string,
    facts: {
      readonly service: ServiceName;
      readonly status: number | null;
      readonly reply: string;
      readonly retryable: boolean;
      readonly isNotFound?: boolean;
      readonly retryAfterMs?: number | null;
      readonly cause?: unknown;
    },
  ) {
    super(message, { retryable: facts.retryable, cause: facts.cause });
    this.service = facts.service;
    this.status = facts.status;
    this.reply = facts.reply;
    this.isNotFound = facts.isNotFound ?? false;
    this.retryAfterMs = facts.retryAfterMs ?? null;
  }
}

/** Whether a call may have been done although it failed: its answer was lost, or the service broke down over it. */
export function mayHaveWorked(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  return status === null || status >= 500 || status < 300;
}

/** Whether what the call is about is not there, by the service's own word. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.isNotFound;
}

/** Every answer of a service has one of these, whatever its form. */
const REQUEST_IDS = ["x-openstack-request-id", "x-compute-request-id"];

/** How the services say it themselves: for clouds whose proxies do not pass the ids on. */
const NOT_FOUND = /"itemNotFound"|"NeutronError"|(No|Failed to find) image\b/;

/** Whether a 404 is the service's own, and not that of a proxy that does not reach it. */
export function isOwnNotFound(reply: {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}): boolean {
  return REQUEST_IDS.some((name) => reply.headers[name] !== undefined) || NOT_FOUND.test(reply.text);
}

/** Whether a message of Nova, Neutron or Cinder, or a server's fault, speaks of a quota. */
export function isQuotaMessage(message: string): boolean {
  return /quota|number of ports exceeded/i.test(message);
}

const NO_IMAGE =
  /can not find requested image|invalid imageref|field\/attribute imageref|invalid image identifier|image .* could not be found|failed to get image|no image with id|image .* (is not active|is unacceptable: .*not found)/i;

const ZONES = "availability-zones";

/**
 * The error of a refused create, told apart into those that the contract knows.
 * @param zone that was not configured but told by the cloud; null when there was none
 */
export function asLaunchError(error: unknown, label: string, zone: string | null): unknown {
  if (!(error instanceof ApiError)) return error;
  const { status, reply, message } = error;
  if ((status === 403 || status === 409 || status === 413) && isQuotaMessage(reply)) {
    return new QuotaError(message, { cause: error });
  }
  if (status === 400 && NO_IMAGE.test(reply)) {
    return new NotFoundError(`${message}; label '${label}' needs an image that the cloud does not have`, {
      cause: error,
    });
  }
  const key = keyAtFault(reply);
  if (status !== 400 || key === null) return error;
  if (key === ZONES && zone !== null) {
    const text = `${message}; the cloud itself told of zone '${zone}' before, and is asked for its zones anew`;
    return new ProviderError(text, { cause: error });
  }
  return new ProviderError(`${message}; look at the key ${key} of label '${label}' or of its pool`, {
    retryable: false,
    cause: error,
  });
}

function keyAtFault(reply: string): string | null {
  const keys: readonly (readonly [RegExp, string])[] = [
    [/key_name|keypair/i, "key-name"],
    [/availability zone/i, ZONES],
    [/security.group/i, "security-groups"],
    [/flavor/i, "flavor-name or min-ram"],
    [/network/i, "networks"],
    [/user_data/i, "userdata"],
    [/metadata/i, "instance-properties"],
    [/block device|volume/i, "boot-from-volume or volume-size"],
  ];
  return keys.find(([pattern]) => pattern.test(reply))?.[1] ?? null;
}

/** What an answer says went wrong, in whichever of the services' forms. */
export function replyMessage(text: string): string {
  const short = (message: string) => message.replace(/\s+/g, " ").trim().slice(0, 500);
  try {
    const body: unknown = JSON.parse(text);
    const found = messageIn(body, 3);
    if (found !== null) return short(found);
  } catch {
    // Not JSON: Glance and proxies answer with a page.
  }
  return short(text.replace(/<(head|style)[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]*>/g, " "));
}

function messageIn(value: unknown, depth: number): string | null {
  if (typeof value !== "object" || value === null || depth === 0) return null;
  const { message, faultstring } = value as { message?: unknown; faultstring?: unknown };
  if (typeof message === "string") return message;
  if (typeof faultstring === "string") return faultstring;
  for (const inner of Object.values(value)) {
    const found = typeof inner === "string" && depth < 3 ? inner : messageIn(inner, depth - 1);
    if (found !== null) return found;
  }
  return null;
}
