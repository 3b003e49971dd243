// Every error that crosses the API: a status code, a sentence for people and google.rpc details for programs.
// One place turns what the domain throws into it (toServerError), so no method needs a try of its own.
import { ServerError, Status } from "nice-grpc-common";
import {
  BadRequest,
  ErrorInfo,
  PreconditionFailure,
  QuotaFailure,
  ResourceInfo,
  RetryInfo,
  RichServerError,
} from "nice-grpc-error-details";
import { DocumentError } from "../model/codec.ts";
import { TransitionError } from "../model/node.ts";
import { SlowConsumerError } from "../std/event_queue.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "../zookeeper/types.ts";

/** The domain of every ErrorInfo. */
export const ERROR_DOMAIN = "nodepool";

/** What stands in an ErrorInfo's metadata: each value that the message mentions. */
export type ErrorMetadata = Readonly<Record<string, string>>;

/**
 * Characters of one text in an error. The whole travels as a header: clients give up the connection, with all calls on
 * it, over one that is larger than they take, which is from 8 KiB on.
 */
const LONGEST_TEXT = 1000;

/** The text as a header can hold it. Half a character, as a cut or JSON may leave it, is none that could be sent. */
function sayable(text: string): string {
  const short = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 3)}...` : text;
  return short.toWellFormed();
}

function info(reason: string, metadata: ErrorMetadata = {}): ErrorInfo {
  const values = Object.entries(metadata).map(([key, value]) => [key, sayable(value)] as const);
  return ErrorInfo.fromPartial({ reason, domain: ERROR_DOMAIN, metadata: Object.fromEntries(values) });
}

function retryInfo(milliseconds: number): RetryInfo {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1_000_000);
  return RetryInfo.fromPartial({ retryDelay: { seconds, nanos } });
}

/**
 * NOT_FOUND: there is no such thing. `kind` is its English name, as "node"; `name` what was asked for; `more` follows in
 * the message.
 */
export function notFound(kind: string, name: string, more = ""): ServerError {
  const reason = `${kind.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}_NOT_FOUND`;
  return new RichServerError(
    Status.NOT_FOUND,
    sayable(`there is no ${kind} '${name}'${more && `; ${more}`}`),
    [info(reason, { name }), ResourceInfo.fromPartial({ resourceType: kind, resourceName: sayable(name) })],
  );
}

/** INVALID_ARGUMENT: `field` (as in the proto, dotted) has a value that is never right. */
export function invalidArgument(field: string, message: string): ServerError {
  const description = sayable(message);
  return new RichServerError(Status.INVALID_ARGUMENT, `${field}: ${description}`, [
    info("INVALID_ARGUMENT", { field }),
    BadRequest.fromPartial({ fieldViolations: [{ field, description }] }),
  ]);
}

/** FAILED_PRECONDITION: not in the present state of things. `reason` is UPPER_SNAKE, for programs. */
export function failedPrecondition(reason: string, message: string, metadata?: ErrorMetadata): ServerError {
  const description = sayable(message);
  return new RichServerError(Status.FAILED_PRECONDITION, description, [
    info(reason, metadata),
    PreconditionFailure.fromPartial({
      violations: [{ type: reason, subject: sayable(metadata?.name ?? ""), description }],
    }),
  ]);
}

/** ABORTED: somebody else was faster; read again, then repeat the whole step. */
export function aborted(reason: string, message: string): ServerError {
  return new RichServerError(Status.ABORTED, sayable(message), [info(reason)]);
}

/** UNAVAILABLE: the same call may succeed after `retryAfterMs`. @param retryAfterMs milliseconds; default 1000 */
export function unavailable(reason: string, message: string, retryAfterMs = 1000): ServerError {
  return new RichServerError(Status.UNAVAILABLE, sayable(message), [info(reason), retryInfo(retryAfterMs)]);
}

/** OUT_OF_RANGE: a resume token that is too old or not ours; begin again without one. */
export function outOfRange(reason: string, message: string): ServerError {
  return new RichServerError(Status.OUT_OF_RANGE, sayable(message), [info(reason)]);
}

/** RESOURCE_EXHAUSTED: a limit was reached; the same call may be made anew. */
function resourceExhausted(reason: string, message: string): ServerError {
  const description = sayable(message);
  return new RichServerError(Status.RESOURCE_EXHAUSTED, description, [
    info(reason),
    QuotaFailure.fromPartial({ violations: [{ subject: reason, description }] }),
    retryInfo(1000),
  ]);
}

/** UNAVAILABLE: there is no connection to ZooKeeper. */
export function withoutZooKeeper(): ServerError {
  return unavailable(
    "ZOOKEEPER_UNAVAILABLE",
    "the connection to ZooKeeper is gone: what is known may be old",
  );
}

/** INTERNAL: a defect of ours. The message is fixed: what went wrong is in the log, under the trace id. */
export function internal(traceId: string | null): ServerError {
  const place = traceId === null ? "the server's log" : `the server's log, trace ${traceId}`;
  const message = `the server failed to answer because of a defect of its own: see ${place}`;
  const metadata: ErrorMetadata = traceId === null ? {} : { trace_id: traceId };
  return new RichServerError(Status.INTERNAL, message, [info("INTERNAL", metadata)]);
}

// The session is away or between two connections, or the server does nothing at the moment: whoever repeats the call may succeed.
const UNREACHABLE: ReadonlySet<ZooKeeperErrorCode> = new Set<ZooKeeperErrorCode>([
  "CONNECTION_LOSS",
  "OPERATION_TIMEOUT",
  "SESSION_EXPIRED",
  "SESSION_MOVED",
  "CLOSED",
  "THROTTLED",
  "SYSTEM_ERROR",
]);

// What we read has changed before we wrote.
const CONFLICT: ReadonlySet<ZooKeeperErrorCode> = new Set<ZooKeeperErrorCode>([
  "BAD_VERSION",
  "NO_NODE",
  "NODE_EXISTS",
  "NOT_EMPTY",
]);

/** The error as callers shall see it, or null when it is none that they should see: a defect, to be logged. */
export function toServerError(error: unknown): ServerError | null {
  if (error instanceof ServerError) return error;
  if (error instanceof TransitionError) return failedPrecondition("WRONG_STATE", error.message);
  if (error instanceof DocumentError) return failedPrecondition("DOCUMENT_UNREADABLE", error.message);
  if (error instanceof SlowConsumerError) return resourceExhausted("SLOW_CONSUMER", error.message);
  if (error instanceof ZooKeeperError) return fromZooKeeper(error);
  return null;
}

function fromZooKeeper(error: ZooKeeperError): ServerError | null {
  if (UNREACHABLE.has(error.code)) {
    return unavailable("ZOOKEEPER_UNAVAILABLE", `ZooKeeper did not answer (${error.code}): try again`);
  }
  if (CONFLICT.has(error.code)) {
    const message = `somebody else changed it at the same time (${error.code}): look again, then repeat`;
    return aborted("CONCURRENT_CHANGE", message);
  }
  return null;
}
