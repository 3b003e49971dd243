import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { systemClock } from "../../lib/std/clock.ts";
import type { CliHost } from "./host.ts";
import { Outage } from "./outage.ts";

const host = { stderr: { write: () => {} } } as unknown as CliHost;

test("who was cut off for reading too slowly watches again", async () => {
  const error = new ClientError("RESOURCE_EXHAUSTED", "too slow", {
    reason: "SLOW_CONSUMER",
    retryAfterMs: 1,
  });
  await new Outage({ clock: systemClock, host }).tryAgain(error);
});

test("what the server has refused is not asked for again", async () => {
  const error = new ClientError("FAILED_PRECONDITION", "no");
  await assert.rejects(new Outage({ clock: systemClock, host }).tryAgain(error), error);
});
