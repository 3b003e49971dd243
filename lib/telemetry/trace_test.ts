import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { systemClock } from "../std/clock.ts";
import { currentTraceparent, withSpan } from "./trace.ts";

const exporter = new InMemorySpanExporter();

before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
});

after(() => {
  trace.disable();
  context.disable();
});

test("outside of a span there is no traceparent", () => {
  assert.equal(currentTraceparent(), null);
});

test("a span is the parent of those inside it, across awaits", async () => {
  exporter.reset();
  await withSpan("outer", {}, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    await withSpan("inner", { kind: "client" }, async () => {});
  });
  const [inner, outer] = exporter.getFinishedSpans();
  assert.equal(inner?.parentSpanContext?.spanId, outer?.spanContext().spanId);
});

test("what a timer calls runs in the span in which the timer was asked for, though others asked before", async () => {
  const inSpan = () =>
    withSpan("asks", {}, async () => {
      const asked = currentTraceparent();
      const { promise, resolve } = Promise.withResolvers<string | null>();
      systemClock.after(5, () => resolve(currentTraceparent()));
      return { asked, called: promise };
    });
  const outside = new Promise((resolve) => systemClock.after(5, () => resolve(currentTraceparent())));
  const spans = [await inSpan(), await inSpan()];
  assert.equal(await outside, null);
  for (const { asked, called } of spans) assert.equal(await called, asked);
});

test("a stored traceparent is continued", async () => {
  exporter.reset();
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const seen = await withSpan("resumed", { parent }, async () => currentTraceparent());
  const span = exporter.getFinishedSpans()[0];
  assert.equal(span?.spanContext().traceId, "0af7651916cd43dd8448eb211c80319c");
  assert.equal(span?.parentSpanContext?.spanId, "b7ad6b7169203331");
  assert.match(seen ?? "", /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
});

test("a traceparent that cannot be read begins a new trace", async () => {
  exporter.reset();
  for (const parent of ["", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01", null]) {
    await withSpan("fresh", { parent }, async () => {});
  }
  for (const span of exporter.getFinishedSpans()) assert.equal(span.parentSpanContext, undefined);
});

test("an error is recorded, passed on, and ends the span", async () => {
  exporter.reset();
  await assert.rejects(
    withSpan("broken", {}, async () => {
      throw new Error("no quota");
    }),
    /no quota/,
  );
  const span = exporter.getFinishedSpans()[0];
  assert.equal(span?.status.message, "no quota");
  assert.equal(span?.events[0]?.name, "exception");
});
