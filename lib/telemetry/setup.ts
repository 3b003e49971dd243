// Starts what sends spans and metrics, as the OTEL_ variables of the environment say; loads nothing when they are not
// set. Everybody else speaks to @opentelemetry/api only.
import process from "node:process";
import type { MetricReader } from "@opentelemetry/sdk-metrics";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { tellingFailure } from "./telling_failure.ts";

/** The environment, as process.env has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Who sends, and where to. */
export interface TelemetryOptions {
  /** As nodepool-launcher; OTEL_SERVICE_NAME goes before it. */
  readonly service: string;
  readonly version: string;
  /** Tells the process from others of its service; `service.instance.id` of OTEL_RESOURCE_ATTRIBUTES goes before it. @default none */
  readonly instance?: string;
  readonly env: Environment;
  /** Where a console exporter writes. @default standard error */
  readonly write?: (line: string) => void;
  /** Whether it lasts, so that a Prometheus may come for its metrics. @default true */
  readonly isLasting?: boolean;
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
 * signal) is set; OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER choose otlp, console or none, and for metrics
 * prometheus: then they are served, not sent. A variable that cannot be used is told in a line, and is no reason not to go on.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env } = options;
  // Deno brings its own, and has registered it by now.
  if (env.OTEL_SDK_DISABLED === "true" || env.OTEL_DENO === "true") return NOTHING;
  const write = options.write ?? ((line) => void process.stderr.write(line));
  const traces = targetOf(env, "TRACES", write);
  const metrics = metricsTarget(env, options.isLasting ?? true, write);
  if (traces === null && metrics === null) return NOTHING;
  const { NodeSDK } = await import("@opentelemetry/sdk-node");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const sdk = new NodeSDK({
    // All from `env`: nothing is taken from the process behind the caller's back.
    resource: resourceFromAttributes(resourceAttributes(options)),
    autoDetectResources: false,
    spanProcessors: traces === null ? [] : [await spanProcessor(traces, write)],
    metricReaders: metrics === null ? [] : [await metricReader(metrics, env, write)],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  return { shutdown: () => withinLimit(sdk.shutdown(), options.flushLimitMs ?? 5000) };
}

type Signal = "TRACES" | "METRICS";

/** Where to a signal goes: a URL of a collector, this process' output, or nowhere. */
type Target = { readonly url: string } | "console" | null;

/** What a signal's variable may say. */
const CHOICES = { TRACES: "otlp, console or none", METRICS: "otlp, prometheus, console or none" };

function metricsTarget(
  env: Environment,
  isLasting: boolean,
  write: (line: string) => void,
): Target | "prometheus" {
  if (env.OTEL_METRICS_EXPORTER?.trim() !== "prometheus") return targetOf(env, "METRICS", write);
  return isLasting ? "prometheus" : null;
}

function targetOf(env: Environment, signal: Signal, write: (line: string) => void): Target {
  const name = `OTEL_${signal}_EXPORTER`;
  const chosen = env[name]?.trim() ?? "";
  if (chosen === "console") return "console";
  if (chosen === "none") return null;
  if (chosen !== "otlp" && chosen !== "") {
    write(`${name} is ${JSON.stringify(chosen)}, which is passed over; it must be ${CHOICES[signal]}\n`);
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
  target: Exclude<Target, null> | "prometheus",
  env: Environment,
  write: (line: string) => void,
): Promise<MetricReader> {
  const { fetchedReader, sendingReader } = await import("./metric_reader.ts");
  return target === "prometheus" ? await fetchedReader(env, write) : await sendingReader(target, env, write);
}

function resourceAttributes({ service, version, instance, env }: TelemetryOptions): Record<string, string> {
  const attributes: Record<string, string> = { "service.name": service, "service.version": version };
  // A collector makes it the label `instance`: without it two launchers were one, with the values now of this, now of that.
  if (instance !== undefined) attributes["service.instance.id"] = instance;
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
