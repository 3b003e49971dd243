// Spans and their context, over the OpenTelemetry API only: without an SDK everything here costs next to nothing.
import {
  type Attributes,
  type Context,
  context,
  INVALID_TRACEID,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { tieTimers } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";

// Without an SDK that keeps contexts this gives the callback as it is.
tieTimers((callback) => context.bind(context.active(), callback));

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/** How a span begins. */
export interface SpanOptions {
  readonly attributes?: Attributes;
  /** A W3C traceparent to continue instead of the active span; one that cannot be read is ignored. */
  readonly parent?: string | null | undefined;
  /** @default "internal" */
  readonly kind?: keyof typeof KINDS;
}

/** A span that was started and the context in which it is the active one. */
export interface OpenSpan {
  readonly span: Span;
  readonly context: Context;
}

/** Starts a span that the caller must end; for work that is no single function call. */
export function openSpan(name: string, options: SpanOptions = {}): OpenSpan {
  const parent = contextOf(options.parent) ?? context.active();
  const kind = KINDS[options.kind ?? "internal"];
  const span = trace
    .getTracer("nodepool")
    .startSpan(name, { kind, attributes: options.attributes ?? {} }, parent);
  // Where nobody traces there is none to be found.
  const isTraced = span.spanContext().traceId !== INVALID_TRACEID;
  return { span, context: isTraced ? trace.setSpan(parent, span) : parent };
}

/** Runs `run` in a span of its own; the span ends with it and records its error, which is passed on. */
export async function withSpan<T>(
  name: string,
  options: SpanOptions,
  run: (span: Span) => Promise<T>,
): Promise<T> {
  const { span, context: inside } = openSpan(name, options);
  try {
    return await context.with(inside, () => run(span));
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed by this error. */
export function failSpan(span: Span, error: unknown): void {
  span.recordException(error instanceof Error ? error : String(error));
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
}

/** The active span as a W3C traceparent, to be sent or stored; null when there is none. */
export function currentTraceparent(): string | null {
  return traceparentOf(context.active());
}

/** The span of a context as a W3C traceparent; null when there is none. */
export function traceparentOf(inside: Context): string | null {
  const spanContext = trace.getSpanContext(inside);
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return null;
  const flags = spanContext.traceFlags.toString(16).padStart(2, "0");
  return `00-${spanContext.traceId}-${spanContext.spanId}-${flags}`;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

function contextOf(traceparent: string | null | undefined): Context | null {
  if (traceparent === undefined || traceparent === null) return null;
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : null;
}
