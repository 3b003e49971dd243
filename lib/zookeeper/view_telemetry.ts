// What a view tells of itself.
import { metrics, type ObservableResult } from "@opentelemetry/api";

export interface ViewTelemetry {
  /** A change that was heard of so many milliseconds ago is visible now. */
  applied(delayMs: number): void;
  /** Everything was read anew within so many milliseconds. */
  walked(durationMs: number): void;
  /** Stops observing. */
  stop(): void;
}

/** What is asked when metrics are collected. */
export interface ViewState {
  readonly isCurrent: boolean;
  /** How many znodes the copy has. */
  readonly znodes: number;
}

/** Creates the view's instruments. Durations are in seconds. */
export function createViewTelemetry(state: () => ViewState): ViewTelemetry {
  const meter = metrics.getMeter("nodepool.zookeeper");
  const delays = meter.createHistogram("nodepool.view.delay", {
    description: "From a watch event to its change in the view",
    unit: "s",
  });
  const walks = meter.createHistogram("nodepool.view.walk.duration", { unit: "s" });
  const sizes = meter.createObservableGauge("nodepool.view.znodes");
  const current = meter.createObservableGauge("nodepool.view.current");
  const observeSize = (result: ObservableResult) => result.observe(state().znodes);
  const observeCurrent = (result: ObservableResult) => result.observe(state().isCurrent ? 1 : 0);
  sizes.addCallback(observeSize);
  current.addCallback(observeCurrent);
  return {
    applied: (delayMs) => delays.record(delayMs / 1000),
    walked: (durationMs) => walks.record(durationMs / 1000),
    stop: () => {
      sizes.removeCallback(observeSize);
      current.removeCallback(observeCurrent);
    },
  };
}
