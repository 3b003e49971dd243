// What surrounds every call that we make: a deadline that the server is told, the trace, errors for people.
import { context, SpanStatusCode } from "@opentelemetry/api";
import {
  type CallOptions,
  type ClientMiddleware,
  type ClientMiddlewareCall,
  Metadata,
} from "nice-grpc-common";
import { type Clock, elapsed } from "../std/clock.ts";
import { deadline } from "../std/deadline.ts";
import { messageOf } from "../std/errors.ts";
import { openSpan, traceparentOf } from "../telemetry/trace.ts";
import { ClientError, type Peer, toClientError } from "./client_error.ts";

/** Per call: how long it may take in all, in milliseconds. Infinity for none, the default of streams. */
export interface DeadlineOptions {
  readonly deadlineMs?: number;
}

/** Per attempt: when the whole call must have ended, by the clock's `elapsed`. Infinity for never. */
interface EndOptions {
  readonly endsAt?: number;
}

/** How calls are made. */
export interface ClientCallOptions {
  readonly peer: Peer;
  readonly clock: Clock;
  /** Milliseconds that a unary call may take unless it says otherwise. */
  readonly defaultDeadlineMs: number;
}

/**
 * Tells the server in the way in which gRPC does how much of a call's time is left. Each attempt does: a server that
 * waits for something has to answer before the caller gives up, not so long after the call was made anew.
 */
export function attemptMiddleware(clock: Clock): ClientMiddleware<EndOptions> {
  return async function* attempt(call, { endsAt = Number.POSITIVE_INFINITY, ...options }) {
    if (!Number.isFinite(endsAt)) return yield* call.next(call.request, options);
    const metadata = Metadata(options.metadata);
    metadata.set("grpc-timeout", `${Math.max(1, Math.round(endsAt - elapsed(clock)))}m`);
    return yield* call.next(call.request, { ...options, metadata });
  };
}

/** The middleware for {@link ClientCallOptions}, around what repeats calls; within that is {@link attemptMiddleware}. */
export function clientCallMiddleware(
  settings: ClientCallOptions,
): ClientMiddleware<DeadlineOptions, EndOptions> {
  return async function* makeCall(call, { deadlineMs, ...options }) {
    const isStream = call.requestStream || call.responseStream;
    const milliseconds = deadlineMs ?? (isStream ? Number.POSITIVE_INFINITY : settings.defaultDeadlineMs);
    const [, service = "", method = ""] = call.method.path.split("/");
    const { span, context: inside } = openSpan(`${service}/${method}`, {
      kind: "client",
      attributes: {
        "rpc.system.name": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "server.address": settings.peer.address,
      },
    });
    const metadata = Metadata(options.metadata);
    const traceparent = traceparentOf(inside);
    if (traceparent !== null) metadata.set("traceparent", traceparent);
    const endsAt = elapsed(settings.clock) + milliseconds;
    const { clock, peer } = settings;
    const others = options.signal === undefined ? [] : [options.signal];
    const limit = deadline(clock, milliseconds, () => lateError(peer, milliseconds), others);
    try {
      return yield* steps(call, { ...options, metadata, endsAt, signal: limit.signal }, inside);
    } catch (thrown) {
      const { reason } = limit.signal;
      const error = reason instanceof ClientError ? reason : toClientError(thrown, settings.peer);
      const code = error instanceof ClientError ? error.code : "CANCELLED";
      span.setAttribute("rpc.response.status_code", code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
      throw error;
    } finally {
      limit.stop();
      span.end();
    }
  };
}

/** Each step runs in the span's context, which generators do not keep by themselves. */
async function* steps<Request, Response>(
  call: ClientMiddlewareCall<Request, Response, EndOptions>,
  options: CallOptions & EndOptions,
  inside: ReturnType<typeof context.active>,
): AsyncGenerator<Response, Response | undefined, undefined> {
  const answers = context.with(inside, () => call.next(call.request, options)) as AsyncGenerator<
    Response,
    Response | undefined,
    undefined
  >;
  let done = false;
  try {
    while (true) {
      const result = await context.with(inside, () => answers.next());
      if (result.done) {
        done = true;
        return result.value;
      }
      yield result.value;
    }
  } catch (error) {
    done = true;
    throw error;
  } finally {
    if (!done) await context.with(inside, () => answers.return(undefined));
  }
}

function lateError({ kind, address }: Peer, milliseconds: number): ClientError {
  const seconds = `${Math.round(milliseconds / 100) / 10} s`;
  const time = milliseconds >= 1000 ? seconds : `${Math.round(milliseconds)} ms`;
  const problem = `${kind} at ${address} did not answer within ${time}`;
  return new ClientError("DEADLINE_EXCEEDED", problem, { reason: "DEADLINE_EXCEEDED" });
}
