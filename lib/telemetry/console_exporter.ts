// Shows spans to a person: one line each, as they end.
import { SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";

/** Writes each finished span as a line: trace, span, parent, duration, name, attributes, error. */
export function consoleSpanExporter(write: (line: string) => void): SpanExporter {
  return {
    export: (spans, done) => {
      for (const span of spans) write(spanLine(span));
      done({ code: 0 });
    },
    shutdown: async () => {},
  };
}

function spanLine(span: ReadableSpan): string {
  const { traceId, spanId } = span.spanContext();
  const [seconds, nanoseconds] = span.duration;
  const milliseconds = (seconds * 1000 + nanoseconds / 1e6).toFixed(1);
  const attributes = Object.entries(span.attributes).map(([key, value]) => ` ${key}=${String(value)}`);
  const failed = span.status.code === SpanStatusCode.ERROR ? ` FAILED: ${span.status.message ?? ""}` : "";
  const parent = span.parentSpanContext?.spanId ?? "-".repeat(16);
  return `span ${traceId} ${spanId} <- ${parent} ${milliseconds.padStart(9)} ms  ${span.name}${attributes.join("")}${failed}\n`;
}
