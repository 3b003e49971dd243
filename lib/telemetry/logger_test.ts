import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { createLogger, type LogFormat, type LogLevel } from "./logger.ts";
import { withSpan } from "./trace.ts";

function recording(format: LogFormat, level: LogLevel = "info") {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  return { lines, logger: createLogger({ name: "nodepool-launcher", level, format, destination }) };
}

before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  trace.setGlobalTracerProvider(new BasicTracerProvider());
});

after(() => {
  trace.disable();
  context.disable();
});

test("a JSON line has level, time, name, message and the fields, also of the parent", () => {
  const { lines, logger } = recording("json");
  logger.child({ provider: "local" }).info("node ready", { node: "0000000012", zxid: 2n ** 60n });
  const line = JSON.parse(lines[0] ?? "");
  assert.equal(line.level, "info");
  assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(line.name, "nodepool-launcher");
  assert.equal(line.msg, "node ready");
  assert.equal(line.provider, "local");
  assert.equal(line.node, "0000000012");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /"zxid":1152921504606846976/);
});

test("each line has the time at which it was written, to the millisecond", () => {
  const lines: string[] = [];
  let now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const logger = createLogger({
    name: "nodepool-launcher",
    level: "info",
    format: "json",
    destination: { write: (line) => lines.push(line) },
    clock: { now: () => now },
  });
  logger.info("one");
  logger.info("another of the same millisecond");
  now += 1;
  logger.info("later");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).time),
    ["2026-01-02T03:04:05.006Z", "2026-01-02T03:04:05.006Z", "2026-01-02T03:04:05.007Z"],
  );
});

test("a field called like a part of the line stands beside it", () => {
  const { lines, logger } = recording("json");
  logger.child({ level: "high" }).info("task failed", { name: "claim", time: 5, msg: "m" });
  const line = JSON.parse(lines[0] ?? "");
  assert.match(line.time, /^\d{4}-/);
  assert.deepEqual(
    [line.level, line.name, line.msg, line.level_, line.name_, line.time_, line.msg_],
    ["info", "nodepool-launcher", "task failed", "high", "claim", 5, "m"],
  );
});

test("lines below the level are not written", () => {
  const { lines, logger } = recording("json", "warn");
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ["c", "d"],
  );
});

test("a text line reads as Nodepool's, with the error's stack below", () => {
  const { lines, logger } = recording("text");
  logger.error("launch failed", { node: "7", labels: ["a b"], error: new Error("no quota") });
  const [first, second] = (lines[0] ?? "").split("\n");
  assert.match(
    first ?? "",
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR nodepool-launcher: launch failed node=7 labels="\[\\"a b\\"\]" error="no quota"$/,
  );
  assert.match(second ?? "", /^ {2}Error: no quota/);
});

test("values of keys that look secret are not written, at any depth", () => {
  const { lines, logger } = recording("json");
  logger.child({ api_key: "hidden1" }).info("connected", {
    password: "hidden2",
    cloud: { auth: [{ client_secret: "hidden3" }], privateKey: "hidden4", user: "shown" },
    launch_token: "hidden5",
  });
  assert.doesNotMatch(lines[0] ?? "", /hidden/);
  assert.match(lines[0] ?? "", /"user":"shown"/);
});

test("a line inside a span tells its trace", async () => {
  const { lines, logger } = recording("json");
  const traceId = await withSpan("work", {}, async (span) => {
    logger.info("inside");
    return span.spanContext().traceId;
  });
  logger.info("outside");
  assert.equal(JSON.parse(lines[0] ?? "").trace_id, traceId);
  assert.equal("trace_id" in JSON.parse(lines[1] ?? ""), false);
});
