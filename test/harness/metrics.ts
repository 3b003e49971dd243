// What this process measures while a test runs, kept in memory.
import { type Attributes, metrics } from "@opentelemetry/api";
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  InstrumentType,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";

/** What a metric shows for one set of attributes: a value; of durations, how many there were. */
export type Shown = [attributes: Attributes, value: number];

/** The metrics of this process from now on: instruments that were made before are not among them. */
export function measure() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // As lib/telemetry/setup.ts has it: a gauge shows what is there now.
  exporter.selectAggregationTemporality = (type) =>
    type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : AggregationTemporality.CUMULATIVE;
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  metrics.setGlobalMeterProvider(provider);
  const find = async (name: string) => {
    exporter.reset();
    await provider.forceFlush();
    return exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
      .find(({ descriptor }) => descriptor.name === name);
  };
  return {
    /** What a metric shows now, in the order of its attributes. */
    shown: async (name: string): Promise<Shown[]> => {
      const points = (await find(name))?.dataPoints ?? [];
      return points
        .map(({ attributes, value }): Shown => [attributes, typeof value === "number" ? value : value.count])
        .sort(([one], [other]) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
    },
    /** The sum of all durations of a metric. */
    sum: async (name: string): Promise<number> => {
      const found = await find(name);
      if (found?.dataPointType !== DataPointType.HISTOGRAM) return 0;
      return found.dataPoints.reduce((sum, { value }) => sum + (value.sum ?? 0), 0);
    },
    end: async (): Promise<void> => {
      await provider.shutdown();
      metrics.disable();
    },
  };
}
