// What a session tells of itself: metrics of every call, and a span of each call that is made within a trace.
import { metrics, type ObservableResult, trace } from "@opentelemetry/api";
import type { Clock } from "../std/clock.ts";
import { withSpan } from "../telemetry/trace.ts";
import { ZooKeeperError } from "./types.ts";

/** How the session stands; asked when metrics are collected. */
export interface SessionFigures {
  readonly isConnected: boolean;
  /** Calls that were sent and not yet answered. */
  readonly inFlight: number;
  /** Calls that wait for a connection, or for room among those in flight. */
  readonly waiting: number;
}

export interface SessionTelemetry {
  /** Makes a call: measures it, and gives it a span when its caller has one. */
  observe<T>(operation: string, path: string | undefined, call: () => Promise<T>): Promise<T>;
  /** A connection stands, to this server (`host:port`). */
  connected(server: string): void;
  /** The session was lost. */
  lost(): void;
  /** Stops observing. */
  stop(): void;
}

/** Creates the session's instruments. Durations are in seconds. */
export function createSessionTelemetry(clock: Clock, figures: () => SessionFigures): SessionTelemetry {
  const meter = metrics.getMeter("nodepool.zookeeper");
  const durations = meter.createHistogram("nodepool.zookeeper.call.duration", {
    description: "Time of a call to ZooKeeper, waiting for a connection included",
    unit: "s",
  });
  const connections = meter.createCounter("nodepool.zookeeper.connections");
  const losses = meter.createCounter("nodepool.zookeeper.sessions.lost");
  const isConnected = meter.createObservableGauge("nodepool.zookeeper.connected");
  const calls = meter.createObservableGauge("nodepool.zookeeper.calls");
  const observeConnected = (result: ObservableResult) => result.observe(figures().isConnected ? 1 : 0);
  const observeCalls = (result: ObservableResult) => {
    const { inFlight, waiting } = figures();
    result.observe(inFlight, { state: "in_flight" });
    result.observe(waiting, { state: "waiting" });
  };
  isConnected.addCallback(observeConnected);
  calls.addCallback(observeCalls);

  const measured = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
    const started = clock.now();
    let outcome = "ok";
    try {
      return await call();
    } catch (error) {
      outcome = error instanceof ZooKeeperError ? error.code : "error";
      throw error;
    } finally {
      durations.record((clock.now() - started) / 1000, { operation, outcome });
    }
  };
  return {
    observe: (operation, path, call) => {
      // Without a trace around it a span would be a trace of its own for each read.
      if (trace.getActiveSpan() === undefined) return measured(operation, call);
      const attributes = path === undefined ? {} : { "nodepool.zookeeper.path": path };
      return withSpan(`zookeeper.${operation}`, { attributes, kind: "client" }, () =>
        measured(operation, call),
      );
    },
    connected: (server) => connections.add(1, { server }),
    lost: () => losses.add(1),
    stop: () => {
      isConnected.removeCallback(observeConnected);
      calls.removeCallback(observeCalls);
    },
  };
}
