// Starts what sends spans and metrics, as the OTEL_ variables of the environment say; loads nothing when they are not
// set. Everybody else speaks to @opentelemetry/api only.
import process from "node:process";
import type { MetricReader, PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { messageOf } from "../std/errors.ts";

/** The environment, as process.env has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Who sends, and where to. */
export interface TelemetryOptions {
  /** As nodepool-launcher; OTEL_SERVICE_NAME goes before it. */
  readonly service: string;
  readonly version: string;
  readonly env: Environment;
  /** Where a console exporter writes. @default standard error */
  readonly write?: (line: string) => void;
  /** How long shutdown may take to send what is left, in milliseconds. @default 5000 */
  readonly flushLimitMs?: number;
}

/** Telemetry that was started. */
export interface Telemetry {
  /** Sends what is left, within the limit, and ends it. Never rejects. */
  shutdown(): Promise<void>;
}

const NOTHING: Telemetry = { shutdown: async () => {} };

/**
 * Starts telemetry. Spans and metrics go over OTLP/HTTP when OTEL_EXPORTER_OTLP_ENDPOINT (or the variable of the one
 * signal) is set; OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER choose otlp, console or none. A variable that cannot be used is
 * told in a line, and is no reason not to go on.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env } = options;
  // Deno brings its own, and has registered it by now.
  if (env.OTEL_SDK_DISABLED === "true" || env.OTEL_DENO === "true") return NOTHING;
  const write = options.write ?? ((line) => void process.stderr.write(line));
  const targets = { traces: targetOf(env, "TRACES", write), metrics: targetOf(env, "METRICS", write) };
  if (targets.traces === null && targets.metrics === null) return NOTHING;
  const { NodeSDK } = await import("@opentelemetry/sdk-node");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const sdk = new NodeSDK({
    // All from `env`: nothing is taken from the process behind the caller's back.
    resource: resourceFromAttributes(resourceAttributes(options)),
    autoDetectResources: false,
    spanProcessors: targets.traces === null ? [] : [await spanProcessor(targets.traces, write)],
    metricReaders: targets.metrics === null ? [] : [await metricReader(targets.metrics, env, write)],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  return { shutdown: () => withinLimit(sdk.shutdown(), options.flushLimitMs ?? 5000) };
}

type Signal = "TRACES" | "METRICS";

/** Where to a signal goes: a URL of a collector, this process' output, or nowhere. */
type Target = { readonly url: string } | "console" | null;

function targetOf(env: Environment, signal: Signal, write: (line: string) => void): Target {
  const name = `OTEL_${signal}_EXPORTER`;
  const chosen = env[name]?.trim() ?? "";
  if (chosen === "console") return "console";
  if (chosen === "none") return null;
  if (chosen !== "otlp" && chosen !== "") {
    write(`${name} is ${JSON.stringify(chosen)}, which is passed over; it must be otlp, console or none\n`);
  }
  // OpenTelemetry takes an empty variable for one that is not set.
  const variables = [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, "OTEL_EXPORTER_OTLP_ENDPOINT"];
  const variable = variables.find((variable) => env[variable]);
  if (variable === undefined && chosen !== "otlp") return null;
  const given = (variable && env[variable]) ?? "http://127.0.0.1:4318";
  if (!/^https?:$/.test(URL.parse(given)?.protocol ?? "")) {
    // Without the value: there may be a password in it.
    write(`${variable} is no URL, as http://127.0.0.1:4318: ${signal.toLowerCase()} are not sent\n`);
    return null;
  }
  if (variable === variables[0]) return { url: given };
  return { url: `${given.replace(/\/+$/, "")}/v1/${signal.toLowerCase()}` };
}

async function spanProcessor(
  target: Exclude<Target, null>,
  write: (line: string) => void,
): Promise<SpanProcessor> {
  const { BatchSpanProcessor, SimpleSpanProcessor } = await import("@opentelemetry/sdk-trace-base");
  if (target === "console") {
    const { consoleSpanExporter } = await import("./console_exporter.ts");
    return new SimpleSpanProcessor(consoleSpanExporter(write));
  }
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const exporter = new OTLPTraceExporter({ url: target.url });
  exporter.export = tellingFailure("traces", exporter.export.bind(exporter), write);
  return new BatchSpanProcessor(exporter);
}

async function metricReader(
  target: Exclude<Target, null>,
  env: Environment,
  write: (line: string) => void,
): Promise<MetricReader> {
  const { AggregationTemporality, ConsoleMetricExporter, InstrumentType, PeriodicExportingMetricReader } =
    await import("@opentelemetry/sdk-metrics");
  const { OTLPMetricExporter } = await import("@opentelemetry/exporter-metrics-otlp-http");
  const interval = metricInterval(env, write);
  const chosen: PushMetricExporter =
    target === "console" ? new ConsoleMetricExporter() : new OTLPMetricExporter({ url: target.url });
  chosen.export = tellingFailure("metrics", chosen.export.bind(chosen), write);
  // Cumulated, a gauge would show for ever what was observed once, as nodes in a state in which none is any more.
  const others = chosen.selectAggregationTemporality?.bind(chosen);
  chosen.selectAggregationTemporality = (type) =>
    type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : (others?.(type) ?? AggregationTemporality.CUMULATIVE);
  return new PeriodicExportingMetricReader({
    exporter: chosen,
    exportIntervalMillis: interval,
    exportTimeoutMillis: Math.min(interval, 10_000),
  });
}

type Export<Items> = (items: Items, done: (result: { code: number; error?: Error }) => void) => void;

/** Says that nothing arrives, once until something does: OpenTelemetry itself keeps silent. */
function tellingFailure<Items>(
  what: string,
  send: Export<Items>,
  write: (line: string) => void,
): Export<Items> {
  let isFailing = false;
  return (items, done) =>
    send(items, (result) => {
      const { error } = result;
      if (error !== undefined && !isFailing) write(`${what} are not sent: ${messageOf(error)}\n`);
      isFailing = error !== undefined;
      done(result);
    });
}

const METRIC_INTERVAL_MS = 60_000;

/** Milliseconds from one export to the next. A value that is none is passed over, as OpenTelemetry has it. */
function metricInterval(env: Environment, write: (line: string) => void): number {
  const value = env.OTEL_METRIC_EXPORT_INTERVAL?.trim() ?? "";
  if (value === "") return METRIC_INTERVAL_MS;
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  const problem = `OTEL_METRIC_EXPORT_INTERVAL is ${JSON.stringify(value)}`;
  write(`${problem}; it must be a whole number of milliseconds, as 60000, which is taken instead\n`);
  return METRIC_INTERVAL_MS;
}

function resourceAttributes({ service, version, env }: TelemetryOptions): Record<string, string> {
  const attributes: Record<string, string> = { "service.name": service, "service.version": version };
  for (const pair of (env.OTEL_RESOURCE_ATTRIBUTES ?? "").split(",")) {
    const [key, value] = pair.split("=", 2);
    if (key !== undefined && value !== undefined) attributes[key.trim()] = decoded(value.trim());
  }
  if (env.OTEL_SERVICE_NAME) attributes["service.name"] = env.OTEL_SERVICE_NAME;
  return attributes;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

async function withinLimit(ending: Promise<void>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([ending.catch(() => {}), limit]);
  clearTimeout(timer);
}
