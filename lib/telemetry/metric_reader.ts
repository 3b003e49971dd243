// How metrics leave the process: sent from time to time, or fetched by a Prometheus.
import {
  AggregationTemporality,
  ConsoleMetricExporter,
  InstrumentType,
  type MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import { messageOf } from "../std/errors.ts";
import type { Environment } from "./setup.ts";
import { tellingFailure } from "./telling_failure.ts";

type Write = (line: string) => void;

/**
 * Sends metrics each OTEL_METRIC_EXPORT_INTERVAL.
 *
 * @param target a collector's URL, or this process' standard output
 */
export async function sendingReader(
  target: { readonly url: string } | "console",
  env: Environment,
  write: Write,
): Promise<MetricReader> {
  const { OTLPMetricExporter } = await import("@opentelemetry/exporter-metrics-otlp-http");
  const interval = metricInterval(env, write);
  const exporter: PushMetricExporter =
    target === "console" ? new ConsoleMetricExporter() : new OTLPMetricExporter({ url: target.url });
  exporter.export = tellingFailure("metrics", exporter.export.bind(exporter), write);
  showGaugesAsTheyAre(exporter);
  return new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: interval,
    exportTimeoutMillis: Math.min(interval, 10_000),
  });
}

/**
 * Serves metrics at `/metrics`, in Prometheus' text format, on OTEL_EXPORTER_PROMETHEUS_HOST and
 * OTEL_EXPORTER_PROMETHEUS_PORT. An address that cannot be had is told in a line.
 */
export async function fetchedReader(env: Environment, write: Write): Promise<MetricReader> {
  const { PrometheusExporter } = await import("@opentelemetry/exporter-prometheus");
  const host = env.OTEL_EXPORTER_PROMETHEUS_HOST?.trim() || "127.0.0.1";
  const port = prometheusPort(env, write);
  const reader = new PrometheusExporter({ host, port, withoutScopeInfo: true, preventServerStart: true });
  await reader.startServer().catch((error: unknown) => {
    const remedy = "each daemon of a machine needs an OTEL_EXPORTER_PROMETHEUS_PORT of its own";
    write(`metrics cannot be fetched: ${messageOf(error)}; ${remedy}\n`);
  });
  showGaugesAsTheyAre(reader);
  return reader;
}

/** Cumulated, a gauge would show for ever what was observed once, as nodes in a state in which none is any more. */
function showGaugesAsTheyAre(reader: {
  selectAggregationTemporality?(type: InstrumentType): AggregationTemporality;
}): void {
  const others = reader.selectAggregationTemporality?.bind(reader);
  reader.selectAggregationTemporality = (type) =>
    type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : (others?.(type) ?? AggregationTemporality.CUMULATIVE);
}

const METRIC_INTERVAL_MS = 60_000;

/** Milliseconds from one export to the next. A value that is none is passed over, as OpenTelemetry has it. */
function metricInterval(env: Environment, write: Write): number {
  const value = env.OTEL_METRIC_EXPORT_INTERVAL?.trim() ?? "";
  if (value === "") return METRIC_INTERVAL_MS;
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  const problem = `OTEL_METRIC_EXPORT_INTERVAL is ${JSON.stringify(value)}`;
  write(`${problem}; it must be a whole number of milliseconds, as 60000, which is taken instead\n`);
  return METRIC_INTERVAL_MS;
}

/** OpenTelemetry's own, and thereby Prometheus' for what it instruments. */
const PROMETHEUS_PORT = 9464;

/** The port to serve metrics on. A value that is none is told, and passed over. */
export function prometheusPort(env: Environment, write: Write): number {
  const value = env.OTEL_EXPORTER_PROMETHEUS_PORT?.trim() ?? "";
  if (value === "") return PROMETHEUS_PORT;
  if (/^\d{1,5}$/.test(value) && Number(value) > 0 && Number(value) < 65_536) return Number(value);
  const problem = `OTEL_EXPORTER_PROMETHEUS_PORT is ${JSON.stringify(value)}`;
  write(`${problem}; it must be a port, as ${PROMETHEUS_PORT}, which is taken instead\n`);
  return PROMETHEUS_PORT;
}
