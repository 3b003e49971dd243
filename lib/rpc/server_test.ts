import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { CallContext } from "nice-grpc-common";
import { caught, cleanups, serve } from "../../test/harness/node_service.ts";
import { TransitionError } from "../model/node.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import type { LogFields, Logger } from "../std/logger.ts";
import type { CallEnd } from "./call_limit.ts";
import { connectClients } from "./client.ts";
import { failedPrecondition, invalidArgument, notFound } from "./errors.ts";

function recordingLogger(): { logger: Logger; lines: { message: string; fields: LogFields }[] } {
  const lines: { message: string; fields: LogFields }[] = [];
  const write = (message: string, fields: LogFields = {}) => {
    lines.push({ message, fields });
  };
  const logger: Logger = {
    debug: () => {},
    info: write,
    warn: write,
    error: write,
    child: () => logger,
  };
  return { logger, lines };
}

test("a unary call and a stream are answered", async () => {
  const { clients } = await serve({
    watchNodes: async function* () {
      yield { event: { $case: "deleted", value: "nodes/1" }, resumeToken: "a" };
      yield { event: { $case: "bookmark", value: { synced: true } }, resumeToken: "b" };
    },
  });
  const { nodes } = await clients.nodes.listNodes({});
  assert.equal(nodes[0]?.name, "nodes/0000000001");
  const tokens: string[] = [];
  for await (const { resumeToken } of clients.nodes.watchNodes({})) tokens.push(resumeToken);
  assert.deepEqual(tokens, ["a", "b"]);
});

const unsayable: [what: string, text: string][] = [
  ["half a character", "\ud83d"],
  ["a hundred thousand characters", "x".repeat(100_000)],
  ["ten thousand characters of three bytes", "€".repeat(10_000)],
];
for (const [what, text] of unsayable) {
  test(`an error about ${what} reaches its caller, and other calls on the connection go on`, async () => {
    const { clients } = await serve({
      getNode: async () => {
        throw notFound("node", text);
      },
      holdNode: async () => {
        throw invalidArgument("reason", text);
      },
      deleteNode: async () => {
        throw failedPrecondition("NODE_CANNOT_BE_DELETED", text, { name: text });
      },
      watchNodes: async function* (_request, { signal }) {
        yield { event: { $case: "bookmark", value: { synced: true } }, resumeToken: "a" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const watch = clients.nodes.watchNodes({})[Symbol.asyncIterator]();
    await watch.next();
    const failures = [clients.nodes.getNode({}), clients.nodes.holdNode({}), clients.nodes.deleteNode({})];
    const errors = await Promise.all(failures.map(caught));
    assert.deepEqual(
      errors.map(({ code, reason }) => [code, reason]),
      [
        ["NOT_FOUND", "NODE_NOT_FOUND"],
        ["INVALID_ARGUMENT", "INVALID_ARGUMENT"],
        ["FAILED_PRECONDITION", "NODE_CANNOT_BE_DELETED"],
      ],
    );
    for (const { message } of errors) assert.ok(message.length < 1100, `${message.length} characters`);
    const ended = Promise.race([watch.next(), new Promise((resolve) => setTimeout(resolve, 50, "open"))]);
    assert.equal(await ended, "open");
  });
}

test("the caller's deadline reaches the server and ends the call there", async () => {
  const timers: { readonly milliseconds: number; readonly callback: () => void }[] = [];
  /** On which the caller's ten minutes are over when the test says so: what waits for less than five is something else. */
  const clock: Clock = {
    ...systemClock,
    after: (milliseconds, callback) => {
      if (milliseconds < 300_000) return systemClock.after(milliseconds, callback);
      timers.push({ milliseconds, callback });
      return () => {};
    },
  };
  const begun = Promise.withResolvers<AbortSignal>();
  const getNode = (_request: unknown, { signal }: CallContext) => {
    begun.resolve(signal);
    return new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const { clients } = await serve({ getNode }, { clock });
  const call = caught(clients.nodes.getNode({ name: "nodes/1" }, { deadlineMs: 600_000 }));
  const signal = await begun.promise;
  assert.equal(timers.length, 1);
  assert.ok((timers[0]?.milliseconds ?? 0) <= 600_000);
  timers[0]?.callback();
  assert.match(String(signal.reason), /DEADLINE_EXCEEDED/);
  assert.equal((await call).code, "DEADLINE_EXCEEDED");
});

test("a caller whose deadline has passed is told who did not answer, and within which time", async () => {
  const { clients } = await serve({ getNode: () => new Promise(() => {}) });
  const error = await caught(clients.nodes.getNode({ name: "nodes/1" }, { deadlineMs: 150 }));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
  assert.match(error.message, /^the launcher at 127\.0\.0\.1:\d+ did not answer within 150 ms$/);
});

test("a unary call without a deadline is ended by the server's own, even when the method does not heed it", async () => {
  const { clients } = await serve({ getNode: () => new Promise(() => {}) }, { defaultDeadlineMs: 100 });
  const options = { deadlineMs: Number.POSITIVE_INFINITY };
  const error = await caught(clients.nodes.getNode({ name: "nodes/1" }, options));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
});

test("a method may know when its call must end", async () => {
  const seen: number[] = [];
  const getNode = async (_request: unknown, { deadline }: CallEnd) => {
    seen.push(deadline - Date.now());
    return {};
  };
  const { clients } = await serve({ getNode }, { defaultDeadlineMs: 500_000 });
  for (const deadlineMs of [100_000, Number.POSITIVE_INFINITY]) {
    await clients.nodes.getNode({ name: "nodes/1" }, { deadlineMs });
  }
  const rounded = seen.map((milliseconds) => Math.round(milliseconds / 10_000));
  assert.deepEqual(rounded, [10, 50]);
});

test("a method that waits hears of the server's shutdown, and may answer", async () => {
  const { server, clients } = await serve({
    getNode: async (_request: unknown, { draining }: CallEnd) => {
      void server.stop(5000);
      await once(draining, "abort");
      return { node: { name: "nodes/1" } };
    },
  });
  const { node } = await clients.nodes.getNode({ name: "nodes/1" });
  assert.equal(node?.name, "nodes/1");
});

test("a caller that goes away cancels the method", async () => {
  let aborted = () => {};
  const seen = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  const { clients } = await serve({
    watchNodes: async function* (_request, { signal }) {
      yield { resumeToken: "first" };
      await once(signal, "abort");
      aborted();
    },
  });
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of clients.nodes.watchNodes({}, { signal: controller.signal })) controller.abort();
  }, /abort/i);
  await seen;
});

test("an error arrives with its code, reason and details", async () => {
  const { clients } = await serve({
    holdNode: async () => {
      throw failedPrecondition("NODE_DELETED", "node 7 is gone", { name: "nodes/7" });
    },
  });
  const error = await caught(clients.nodes.holdNode({ name: "nodes/7" }));
  assert.equal(error.code, "FAILED_PRECONDITION");
  assert.equal(error.reason, "NODE_DELETED");
  assert.equal(error.message, "node 7 is gone");
  assert.ok(error.details.some(({ $type }) => $type === "google.rpc.PreconditionFailure"));
});

test("what the domain throws is turned into an answer without the method's help", async () => {
  const { clients } = await serve({
    holdNode: async () => {
      throw new TransitionError("a node in state 'deleted' cannot become 'hold'");
    },
  });
  assert.equal((await caught(clients.nodes.holdNode({}))).code, "FAILED_PRECONDITION");
});

test("a defect is INTERNAL with a fixed text, and only the log tells what it was", async () => {
  const { logger, lines } = recordingLogger();
  const { clients } = await serve(
    {
      getNode: async () => {
        throw new TypeError("secret detail");
      },
    },
    { logger },
  );
  const error = await caught(clients.nodes.getNode({}));
  assert.equal(error.code, "INTERNAL");
  assert.doesNotMatch(error.message, /secret/);
  const line = lines.find(({ message }) => message === "call failed");
  assert.match(String(line?.fields.error), /secret detail/);
});

test("each call leaves one line with method, code and time", async () => {
  const { logger, lines } = recordingLogger();
  const { clients } = await serve({}, { logger });
  await clients.nodes.listNodes({});
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.fields.method, "nodepool.v1.NodeService/ListNodes");
  assert.equal(lines[0]?.fields.code, "OK");
  assert.equal(typeof lines[0]?.fields.milliseconds, "number");
});

test("a call that is too large is refused and the server goes on", async () => {
  const { clients } = await serve();
  const filter = "x".repeat(5 * 1024 * 1024);
  assert.equal((await caught(clients.nodes.listNodes({ filter }))).code, "RESOURCE_EXHAUSTED");
  assert.equal((await clients.nodes.listNodes({})).nodes.length, 1);
});

test("a server that nobody runs is named in one sentence", async () => {
  const clients = connectClients({ launcherAddress: "127.0.0.1:1", builderAddress: "127.0.0.1:1" });
  cleanups.push(() => clients.close());
  const error = await caught(clients.nodes.listNodes({}));
  assert.equal(error.message, "cannot reach the launcher at 127.0.0.1:1: is it running? (ECONNREFUSED)");
  assert.match((await caught(clients.images.listImages({}))).message, /^cannot reach the builder at/);
});
