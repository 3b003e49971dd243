// Log lines: JSON for machines or text for people, with the trace that they belong to and without secrets.
import process from "node:process";
import { context, isSpanContextValid, trace } from "@opentelemetry/api";
import pino from "pino";
import { type Clock, systemClock } from "../std/clock.ts";
import type { LogFields, Logger } from "../std/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = "json" | "text";

/** What a logger is made of. */
export interface LoggerOptions {
  /** The program, as nodepool-launcher. */
  readonly name: string;
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes whole lines. @default standard output */
  readonly destination?: { write(line: string): unknown };
  /** @default the machine's own */
  readonly clock?: Pick<Clock, "now">;
}

/** A logger for a daemon. Times are in UTC; `trace_id` and `span_id` are those of the active span. */
export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? process.stdout;
  const destination = {
    write: (line: string) => output.write(options.format === "json" ? line : textLine(line)),
  };
  const logger = pino(
    {
      level: options.level,
      base: { name: options.name },
      timestamp: timeOfLine(options.clock ?? systemClock),
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
      mixin: activeSpan,
    },
    destination,
  );
  return wrap(logger);
}

function wrap(logger: pino.Logger): Logger {
  const write = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(level)) logger[level](fields === undefined ? {} : redact(fields), message);
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => wrap(logger.child(redact(fields))),
  };
}

/** The time as JSON, as pino's own `isoTime` has it; made once for all lines of a millisecond. */
function timeOfLine(clock: Pick<Clock, "now">): () => string {
  let [at, text] = [Number.NaN, ""];
  return () => {
    const now = clock.now();
    if (now !== at) [at, text] = [now, `,"time":"${new Date(now).toISOString()}"`];
    return text;
  };
}

function activeSpan(): object {
  const span = trace.getSpanContext(context.active());
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}

function describeError(error: unknown): unknown {
  return error instanceof Error ? pino.stdSerializers.err(error) : error;
}

const SECRET = /passw|secret|credential|private_?key|authorization|api_?key|(^|_)token$/i;
const MAX_DEPTH = 6;

/** What every line has. A field of such a name gets a `_` behind it: readers take the last of two values. */
const OF_THE_LINE: ReadonlySet<string> = new Set(["level", "time", "name", "msg"]);

/** The fields without the values of keys that look secret. */
function redact(fields: object, depth = 1): Record<string, unknown> {
  const redacted: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    const free = depth === 1 && OF_THE_LINE.has(key) ? `${key}_` : key;
    const value = (fields as Record<string, unknown>)[key];
    redacted[free] = SECRET.test(key) ? "[redacted]" : clean(value, depth);
  }
  return redacted;
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error || depth > MAX_DEPTH)
    return value;
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
  return Object.getPrototypeOf(value) === Object.prototype ? redact(value, depth + 1) : value;
}

/** A line as Nodepool's default format has it: time, level, name: message, then the fields. */
function textLine(json: string): string {
  const { level, time, name, msg, error, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const when = String(time).replace("T", " ").replace(".", ",").replace("Z", "");
  const words = Object.entries(fields).map(([key, value]) => ` ${key}=${textValue(value)}`);
  const { message, stack } = errorParts(error);
  const problem = message === undefined ? "" : ` error=${textValue(message)}`;
  const trail = stack === undefined ? "" : `\n${stack.replace(/^/gm, "  ")}`;
  return `${when} ${String(level).toUpperCase()} ${name}: ${msg}${words.join("")}${problem}${trail}\n`;
}

function errorParts(error: unknown): { message?: string; stack?: string } {
  if (error === undefined) return {};
  if (typeof error !== "object" || error === null) return { message: String(error) };
  const { message, stack } = error as { message?: string; stack?: string };
  return { message: message ?? JSON.stringify(error), ...(stack === undefined ? {} : { stack }) };
}

function textValue(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
