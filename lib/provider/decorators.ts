// What every provider gets, whatever its driver: deadlines, a pace, repeated attempts, spans, metrics and log lines.
import { metrics } from "@opentelemetry/api";
import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { deadline } from "../std/deadline.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { withSpan } from "../telemetry/trace.ts";
import { aroundProvider, asProviderError, type Call } from "./around.ts";
import { type Provider, ProviderError, ThrottledError } from "./contract.ts";
import { launchTimer } from "./launch_timer.ts";
import { Pace } from "./pace.ts";

/** How long calls may take, in milliseconds; `other` is for every method that is not named. */
export type Deadlines = { readonly other: number } & { readonly [M in Call["method"]]?: number };

/** Ends calls that take too long, and sees that whatever fails fails with a {@link ProviderError}. */
export function withDeadlines(provider: Provider, deadlines: Deadlines, clock: Clock): Provider {
  return aroundProvider(provider, async (call, run) => {
    const { method, signal } = call;
    const limit = deadlines[method] ?? deadlines.other;
    const late = () =>
      new ProviderError(`provider ${provider.name}: ${method} took more than ${limit / 1000} s`);
    const timer = method === "createInstance" ? launchTimer(clock, provider) : clock;
    const bounded = deadline(timer, limit, late, [signal]);
    try {
      signal.throwIfAborted();
      return await run(bounded.signal);
    } catch (error) {
      // The deadline is the reason of whatever the call has made of it, unless the caller had given up before.
      const reason = bounded.signal.aborted && !signal.aborted ? bounded.signal.reason : error;
      throw asProviderError(reason, call);
    } finally {
      bounded.stop();
    }
  });
}

/** Makes calls that the provider refused for being too many again, all of them more slowly. A launch does not fail of it. */
export function withThrottling(provider: Provider, clock: Clock): Provider {
  const pace = new Pace(0, clock);
  const paced = aroundProvider(provider, async ({ signal }, run) => {
    while (true) {
      await pace.turn(signal);
      try {
        const result = await run(signal);
        pace.taken();
        return result;
      } catch (error) {
        if (!(error instanceof ThrottledError) || signal.aborted) throw error;
        pace.refused(error.retryAfterMs);
      }
    }
  });
  return {
    ...paced,
    progress: (node) => provider.progress?.(node) ?? pace.describe(),
    heldUpMs: () => (provider.heldUpMs?.() ?? 0) + pace.heldUpMs,
  };
}

const ATTEMPTS = 4;
const REPEATABLE: ReadonlySet<string> = new Set([
  "listInstances",
  "deleteInstance",
  "listImages",
  "deleteImage",
  "foreignInstances",
  "listLeftovers",
  "deleteLeftover",
  "limits",
]);

/** Repeats calls that change nothing by being repeated, with growing pauses, while their errors may pass. */
export function withRetries(provider: Provider, clock: Clock): Provider {
  return aroundProvider(provider, async ({ method, signal }, run) => {
    for (let failures = 1; ; failures += 1) {
      try {
        return await run(signal);
      } catch (error) {
        const mayHelp = REPEATABLE.has(method) && error instanceof ProviderError && error.retryable;
        if (!mayHelp || failures === ATTEMPTS || signal.aborted) throw error;
        await clock.sleep(backoffDelay(failures, { initial: 200, maximum: 5000 }), signal).catch(() => {
          throw error;
        });
      }
    }
  });
}

/** Traces, counts and logs each call. */
export function withTelemetry(provider: Provider, logger: Logger, clock: Clock): Provider {
  const meter = metrics.getMeter("nodepool");
  const duration = meter.createHistogram("nodepool.provider.call.duration", {
    description: "Time that calls to providers take",
    unit: "s",
  });
  const report = (call: Call, started: number, error: unknown) => {
    const seconds = (clock.now() - started) / 1000;
    const outcome = error === null ? "ok" : "error";
    const { method, subject } = call;
    duration.record(seconds, { provider: provider.name, driver: provider.driver, method, outcome });
    const fields = { provider: provider.name, method, seconds, ...subject };
    // Whoever starts a provider tells what came of it, once.
    const level = method === "start" ? "debug" : "warn";
    if (error === null) logger.debug("provider call", fields);
    else logger[level]("provider call failed", { ...fields, error: messageOf(error) });
  };
  return aroundProvider(provider, (call, run) => {
    const started = clock.now();
    const attributes = {
      "nodepool.provider": provider.name,
      "nodepool.driver": provider.driver,
      ...Object.fromEntries(Object.entries(call.subject).map(([key, value]) => [`nodepool.${key}`, value])),
    };
    return withSpan(`provider.${snakeCase(call.method)}`, { attributes, kind: "client" }, async () => {
      try {
        const result = await run(call.signal);
        report(call, started, null);
        return result;
      } catch (error) {
        report(call, started, error);
        throw error;
      }
    });
  });
}

/** createInstance as create_instance: span names are in snake case everywhere. */
function snakeCase(method: string): string {
  return method.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
