// When a call must end: the caller's deadline or ours, the caller's going away, or the server's draining.
import type { ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";
import { type Metadata, ServerError, Status } from "nice-grpc-common";
import type { Clock } from "../std/clock.ts";
import { onAbort } from "../std/on_abort.ts";
import { unavailable } from "./errors.ts";

// nice-grpc hands on metadata but not the deadline, and gRPC takes grpc-timeout out of the metadata. The interceptor
// overwrites whatever a caller may have sent under this key.
const DEADLINE_KEY = "x-nodepool-deadline";

// A caller cancels at its deadline, which it counts from a little earlier than we do.
const DEADLINE_SLACK_MS = 100;

// An answer takes a moment to reach its caller.
const BEFORE_DEADLINE_MS = 200;

/**
 * Hands a call's deadline on to {@link deadlineOf}. It puts itself before the one method that it is about: gRPC's own
 * `ServerInterceptingCall` stands between all of them and costs each call a twentieth of what the launcher does for it.
 */
export const deadlineInterceptor: ServerInterceptor = (_method, call) => {
  const start = call.start.bind(call);
  call.start = (listener) => {
    start({
      onReceiveMetadata: (metadata) => {
        metadata.set(DEADLINE_KEY, String(Number(call.getDeadline())));
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => listener.onCancel(),
    });
  };
  // gRPC asks for no more than the interface.
  return call as ServerInterceptingCall;
};

/** The caller's deadline in milliseconds since the epoch; Infinity when it set none. */
export function deadlineOf(metadata: Metadata): number {
  const text = metadata.get(DEADLINE_KEY);
  return text === undefined ? Number.POSITIVE_INFINITY : Number(text);
}

/** What a method may know of the end of its call, to answer before it. */
export interface CallEnd {
  /** Milliseconds since the epoch; Infinity for none. */
  readonly deadline: number;
  /** Aborted when the server begins to shut down. */
  readonly draining: AbortSignal;
}

/** For how many milliseconds a method may wait and still answer before the deadline; Infinity without one. */
export function timeToAnswer({ deadline }: Pick<CallEnd, "deadline">, clock: Clock): number {
  return Math.max(0, deadline - clock.now() - BEFORE_DEADLINE_MS);
}

/** The end of one call. */
export interface CallLimit {
  /** Aborted when the call must end; its reason is the error that the caller gets. */
  readonly signal: AbortSignal;
  /** Lets go of timers and listeners. */
  release(): void;
}

/** What may end a call. */
export interface CallLimitOptions {
  readonly clock: Clock;
  /** Milliseconds since the epoch; Infinity for none. */
  readonly deadline: number;
  /** Aborted by gRPC when the caller has gone or its deadline has passed. */
  readonly caller: AbortSignal;
  /** Aborted when the server must let go of the call; null for calls that may finish. */
  readonly draining: AbortSignal | null;
  /** Hears the error when the call must end, before {@link limitCall} returns where that is so already. */
  readonly ended: (error: ServerError) => void;
}

/** Watches over one call. */
export function limitCall(options: CallLimitOptions): CallLimit {
  const { clock, deadline, caller, draining, ended } = options;
  const controller = new AbortController();
  const end = (error: ServerError) => {
    controller.abort(error);
    ended(error);
  };
  const exceeded = () => end(new ServerError(Status.DEADLINE_EXCEEDED, "the deadline passed"));
  const gone = () => {
    if (clock.now() >= deadline - DEADLINE_SLACK_MS) exceeded();
    else end(new ServerError(Status.CANCELLED, "the caller has gone"));
  };
  const drain = () => end(drainingError());
  const cancelTimer = Number.isFinite(deadline)
    ? clock.after(Math.max(0, deadline - clock.now()), exceeded)
    : () => {};
  const forgetCaller = onAbort(caller, gone);
  const forgetDraining = draining === null ? () => {} : onAbort(draining, drain);
  const release = () => {
    cancelTimer();
    forgetCaller();
    forgetDraining();
  };
  return { signal: controller.signal, release };
}

/** What callers get while the server shuts down. */
export function drainingError(): ServerError {
  return unavailable("DRAINING", "the server is shutting down: call again, another one may answer", 500);
}
