import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, type ServerMiddlewareCall } from "nice-grpc-common";
import { systemClock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import { serverCallMiddleware } from "./server_call.ts";

interface Message {
  readonly number: number;
}

/** A stream of messages, as long as its reader wants, through what surrounds every call. */
function stream(next: (number: number) => Message): AsyncGenerator<Message, unknown, undefined> {
  const answerCall = serverCallMiddleware({
    logger: silentLogger,
    clock: systemClock,
    defaultDeadlineMs: 30_000,
    draining: new AbortController().signal,
  });
  const call = {
    method: { path: "/test.Test/Watch", requestStream: false, responseStream: true },
    request: {},
    next: async function* () {
      for (let number = 0; ; number += 1) yield next(number);
    },
  } as unknown as ServerMiddlewareCall<unknown, Message>;
  const context = {
    metadata: Metadata(),
    header: Metadata(),
    trailer: Metadata(),
    peer: "",
    sendHeader() {},
  };
  const { signal } = new AbortController();
  return answerCall(call, { ...context, signal }) as AsyncGenerator<Message, unknown, undefined>;
}

test("a stream lets go of what it has sent while it is open", async () => {
  let collected = 0;
  // Not by references that are looked at: a look keeps what it finds.
  const registry = new FinalizationRegistry(() => {
    collected += 1;
  });
  const messages = stream((number) => {
    const message = { number };
    registry.register(message, undefined);
    return message;
  });
  for (let read = 0; read < 10; read += 1) await messages.next();
  const garbage: number[][] = [];
  for (let round = 0; round < 1000 && collected === 0; round += 1) {
    garbage[round % 2] = new Array(1_000_000).fill(round);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(collected > 0);
  await messages.return(undefined);
});
