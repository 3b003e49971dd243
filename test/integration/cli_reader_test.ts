import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchRequestResponse } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { serve } from "../../services/cli/harness_test.ts";
import { runtimeCommand, startCommand, startProgram } from "../harness/program.ts";

const NAME = "nodeRequests/200-0000000007";

const event = (state: "REQUESTED" | "FULFILLED") =>
  WatchRequestResponse.fromPartial({
    event: { $case: "status", value: { request: { name: NAME, state: `STATE_${state}` } } },
  });

/** A launcher whose request is fulfilled when it is told to. */
async function launcher() {
  const fulfil = Promise.withResolvers<void>();
  const released: string[] = [];
  const address = await serve({
    requests: {
      createRequest: async () => ({ request: { name: NAME } }),
      watchRequest: async function* (_request, { signal }) {
        yield event("REQUESTED");
        await fulfil.promise;
        yield event("FULFILLED");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      releaseRequest: async ({ name }) => {
        released.push(name);
        return {};
      },
    },
  });
  return { address, fulfil: fulfil.resolve, released };
}

test("nodepool request gives the nodes back when nobody reads any more how they are reached", async () => {
  const { address, fulfil, released } = await launcher();
  const words = ["--address", address, "--output", "json", "request", "debian"];
  const program = startProgram("services/cli/main.ts", words);
  await program.waitFor(/requested/);
  program.stopReading();
  fulfil();
  await program.ended();
  assert.deepEqual(released, [NAME]);
});

test("nodepool request ends in order when its terminal is gone, which it cannot write to any more", async () => {
  const { address, fulfil, released } = await launcher();
  const words = ["--address", address, "request", "debian"];
  const program = startCommand("sh", [
    "-c",
    'exec "$@" 2>&1',
    "sh",
    ...runtimeCommand("services/cli/main.ts"),
    ...words,
  ]);
  fulfil();
  await program.waitFor(/ready/);
  program.stopReading();
  assert.equal(await program.stop("SIGHUP"), 130);
  assert.deepEqual(released, [NAME]);
});
