import assert from "node:assert/strict";
import { after, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { currentTraceparent } from "../../lib/telemetry/trace.ts";
import { serve, start, until } from "./harness_test.ts";

after(() => {
  trace.disable();
  context.disable();
});

test("request opens a trace that the launcher goes on with, and that ends when the nodes are there", async () => {
  let created = "";
  const name = "nodeRequests/200-0000000001";
  const address = await serve({
    requests: {
      createRequest: async () => {
        created = currentTraceparent() ?? "";
        return { request: { name } };
      },
      watchRequest: async function* (_request, { signal }) {
        yield { event: { $case: "status", value: { request: { name, state: "STATE_FULFILLED" } } } };
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      },
      releaseRequest: async () => ({}),
    },
  });
  const run = start(address, ["request", "debian"], { OTEL_TRACES_EXPORTER: "console" });
  await until(() => run.stderr.includes("ms  nodepool request"));
  run.signal("SIGINT");
  await run.code;
  const spans = [...run.stderr.matchAll(/^span (\w+) (\w+) <- (\S+) +\S+ ms {2}(.*)$/gm)];
  const root = spans.find(([, , , , text]) => text?.startsWith("nodepool request"));
  assert.equal(root?.[3], "-".repeat(16));
  assert.match(root?.[4] ?? "", /labels=debian request=nodeRequests\/200-0000000001/);
  const call = spans.find((span) => span[3] === root?.[2] && span[4]?.includes("CreateRequest"));
  assert.ok(call, run.stderr);
  const [, traceId, parent] = created.split("-");
  assert.equal(traceId, root?.[1]);
  assert.equal(spans.find((span) => span[2] === parent)?.[3], call[2]);
});
