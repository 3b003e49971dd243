// What a view tells of itself.
import { metrics, type ObservableResult } from "@opentelemetry/api";

export interface ViewTelemetry {
  /** A change that was heard of so many milliseconds ago is visible now. */
  applied(delayMs: number): void;
  /** Everything was read anew, with so many znodes, within so many milliseconds. */
  walked(znodes: number, durationMs: number): void;
  /** Stops observing. */
  stop(): void;
}

/** Creates the view's instruments; `isCurrent` is asked when metrics are collected. Durations are in seconds. */
export function createViewTelemetry(isCurrent: () => boolean): ViewTelemetry {
  const meter = metrics.getMeter("nodepool.zookeeper");
  const delays = meter.createHistogram("nodepool.view.delay", {
    description: "From a watch event to its change in the view",
    unit: "s",
  });
  const walks = meter.createHistogram("nodepool.view.walk.duration", { unit: "s" });
  const sizes = meter.createGauge("nodepool.view.znodes");
  const current = meter.createObservableGauge("nodepool.view.current");
  const observe = (result: ObservableResult) => result.observe(isCurrent() ? 1 : 0);
  current.addCallback(observe);
  return {
    applied: (delayMs) => delays.record(delayMs / 1000),
    walked: (znodes, durationMs) => {
      walks.record(durationMs / 1000);
      sizes.record(znodes);
    },
    stop: () => current.removeCallback(observe),
  };
}
