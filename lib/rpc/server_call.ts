// What surrounds every call: deadline, span, metric, log line, and the one place where errors become answers.
import { type Context, context, type Meter, metrics, SpanStatusCode } from "@opentelemetry/api";
import {
  type CallContext,
  ServerError,
  type ServerMiddleware,
  type ServerMiddlewareCall,
  Status,
} from "nice-grpc-common";
import { errorDetailsServerMiddleware } from "nice-grpc-error-details";
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import { openSpan } from "../telemetry/trace.ts";
import { type CallEnd, type CallLimit, deadlineOf, limitCall } from "./call_limit.ts";
import { internal, toServerError } from "./errors.ts";

/** Infrastructure that would drown everything else in the log: no spans, no metrics, debug lines only. */
const QUIET = /^\/grpc\.(health|reflection)\./;

/** How calls are answered. */
export interface ServerCallOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds that a unary call may take when the caller set no deadline. */
  readonly defaultDeadlineMs: number;
  /** Aborted when the server begins to shut down: streams must end. */
  readonly draining: AbortSignal;
}

/** The middleware for {@link ServerCallOptions}. */
export function serverCallMiddleware(options: ServerCallOptions): ServerMiddleware<CallEnd> {
  const instruments = createInstruments(metrics.getMeter("nodepool"));
  return async function* answerCall(call, callContext) {
    const { path, requestStream, responseStream } = call.method;
    const isStream = requestStream || responseStream;
    const { draining } = options;
    const asked = deadlineOf(callContext.metadata);
    const deadline =
      Number.isFinite(asked) || isStream ? asked : options.clock.now() + options.defaultDeadlineMs;
    let giveUp: (error: ServerError) => void = () => {};
    const limit = limitCall({
      clock: options.clock,
      deadline,
      caller: callContext.signal,
      draining: isStream ? draining : null,
      ended: (error) => giveUp(error),
    });
    const record = beginRecord(path, callContext, options, instruments);
    const answers = new Answers(
      call,
      { ...callContext, signal: limit.signal, deadline, draining },
      record.context,
    );
    giveUp = (error) => answers.giveUp(error);
    try {
      while (true) {
        const result = await answers.next();
        if (result.done) {
          limit.signal.throwIfAborted();
          record.end(null, null);
          return result.value;
        }
        record.messages += 1;
        yield result.value;
      }
    } catch (error) {
      const answer = answerFor(error, limit, record.traceId);
      record.end(answer, error);
      // Its details go into the trailer.
      return yield* errorDetailsServerMiddleware({ ...call, next: () => thrown(answer) }, callContext);
    } finally {
      answers.close();
      limit.release();
    }
  };
}

// biome-ignore lint/correctness/useYield: what a call gives that fails
async function* thrown(error: ServerError): AsyncGenerator<never, never, undefined> {
  throw error;
}

/** What a method answers; each step runs in the span's context, which generators do not keep by themselves. */
class Answers<Request, Response> {
  readonly #context: Context;
  readonly #signal: AbortSignal;
  readonly #answers: AsyncGenerator<Response, Response | undefined, undefined>;
  #isDone = false;
  /** Ends the waiting for the present step. */
  #giveUp: (reason: unknown) => void = () => {};

  constructor(
    call: ServerMiddlewareCall<Request, Response, CallEnd>,
    callContext: CallContext & CallEnd,
    inside: Context,
  ) {
    this.#context = inside;
    this.#signal = callContext.signal;
    this.#answers = context.with(inside, () => call.next(call.request, callContext)) as AsyncGenerator<
      Response,
      Response | undefined,
      undefined
    >;
  }

  /** Ends the waiting for the next message. */
  giveUp(reason: unknown): void {
    this.#giveUp(reason);
  }

  /** The next message, or the end. @throws the signal's reason when the call must end */
  async next(): Promise<IteratorResult<Response, Response | undefined>> {
    const result = await new Promise<IteratorResult<Response, Response | undefined>>((resolve, reject) => {
      this.#giveUp = reject;
      context.with(this.#context, () => this.#answers.next()).then(resolve, reject);
      if (this.#signal.aborted) reject(this.#signal.reason);
    });
    this.#isDone = result.done === true;
    return result;
  }

  /** Ends a method that has not ended. Not awaited: one that does not heed its signal must not hold the call. */
  close(): void {
    if (this.#isDone) return;
    context.with(this.#context, () => this.#answers.return(undefined)).catch(() => {});
  }
}

/** The error that the caller gets. */
function answerFor(error: unknown, limit: CallLimit, traceId: string | null): ServerError {
  if (limit.signal.aborted && limit.signal.reason instanceof ServerError) return limit.signal.reason;
  const known = toServerError(error);
  if (known !== null) return known;
  if (error instanceof Error && error.name === "AbortError")
    return new ServerError(Status.CANCELLED, "the call was cancelled");
  return internal(traceId);
}

interface CallRecord {
  readonly context: Context;
  readonly traceId: string | null;
  messages: number;
  /** `answer` is what the caller gets, null for success; `cause` what was thrown. */
  end(answer: ServerError | null, cause: unknown): void;
}

interface Instruments {
  readonly duration: ReturnType<Meter["createHistogram"]>;
  readonly active: ReturnType<Meter["createUpDownCounter"]>;
}

function createInstruments(meter: Meter): Instruments {
  return {
    duration: meter.createHistogram("rpc.server.call.duration", { unit: "s", description: "Time per call" }),
    active: meter.createUpDownCounter("rpc.server.active_calls", { description: "Calls under way" }),
  };
}

interface Method {
  /** As nodepool.v1.NodeService/ListNodes. */
  readonly name: string;
  readonly quiet: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Kept: a server has few methods. */
const METHODS = new Map<string, Method>();

function methodOf(path: string): Method {
  const known = METHODS.get(path);
  if (known !== undefined) return known;
  const [, service = "", method = ""] = path.split("/");
  const attributes = { "rpc.system.name": "grpc", "rpc.service": service, "rpc.method": method };
  const made: Method = { name: path.slice(1), quiet: QUIET.test(path), attributes };
  METHODS.set(path, made);
  return made;
}

function beginRecord(
  path: string,
  callContext: CallContext,
  options: ServerCallOptions,
  instruments: Instruments,
): CallRecord {
  const { clock, logger } = options;
  const started = clock.now();
  const { quiet, name, attributes } = methodOf(path);
  const requestId = callContext.metadata.get("x-request-id");
  if (requestId !== undefined) callContext.header.set("x-request-id", requestId);
  const opened = quiet
    ? null
    : openSpan(name, {
        kind: "server",
        attributes,
        parent: callContext.metadata.get("traceparent"),
      });
  if (!quiet) instruments.active.add(1, attributes);
  const record: CallRecord = {
    context: opened?.context ?? context.active(),
    traceId: validTraceId(opened?.span.spanContext().traceId),
    messages: 0,
    end: (answer, cause) => {
      const code = Status[answer?.code ?? Status.OK] ?? String(answer?.code);
      const milliseconds = clock.now() - started;
      const fields = {
        method: name,
        code,
        milliseconds,
        peer: callContext.peer,
        messages: record.messages,
        ...(requestId === undefined ? {} : { request_id: requestId }),
        ...(answer === null ? {} : { problem: answer.details }),
        ...(answer?.code === Status.INTERNAL ? { error: cause } : {}),
      };
      context.with(record.context, () => {
        if (answer?.code === Status.INTERNAL) logger.error("call failed", fields);
        else if (quiet) logger.debug("call answered", fields);
        else logger.info("call answered", fields);
      });
      if (opened === null) return;
      const labelled = { ...attributes, "rpc.response.status_code": code };
      instruments.active.add(-1, attributes);
      instruments.duration.record(milliseconds / 1000, labelled);
      opened.span.setAttribute("rpc.response.status_code", code);
      if (answer !== null) opened.span.setStatus({ code: SpanStatusCode.ERROR, message: answer.details });
      opened.span.end();
    },
  };
  return record;
}

function validTraceId(traceId: string | undefined): string | null {
  return traceId === undefined || /^0*$/.test(traceId) ? null : traceId;
}
