import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchRequestResponse } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { serve } from "../../services/cli/harness_test.ts";
import { startProgram } from "../harness/program.ts";

const NAME = "nodeRequests/200-0000000007";

const event = (state: "REQUESTED" | "FULFILLED") =>
  WatchRequestResponse.fromPartial({
    event: { $case: "status", value: { request: { name: NAME, state: `STATE_${state}` } } },
  });

test("nodepool request gives the nodes back when nobody reads any more how they are reached", async () => {
  const isReaderGone = Promise.withResolvers<void>();
  const released: string[] = [];
  const address = await serve({
    requests: {
      createRequest: async () => ({ request: { name: NAME } }),
      watchRequest: async function* (_request, { signal }) {
        yield event("REQUESTED");
        await isReaderGone.promise;
        yield event("FULFILLED");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      releaseRequest: async ({ name }) => {
        released.push(name);
        return {};
      },
    },
  });
  const words = ["--address", address, "--output", "json", "request", "debian"];
  const program = startProgram("services/cli/main.ts", words);
  await program.waitFor(/requested/);
  program.stopReading();
  isReaderGone.resolve();
  await program.ended();
  assert.deepEqual(released, [NAME]);
});
