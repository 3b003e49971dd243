import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { unixAgent } from "./unix_agent.ts";

const SHORT = Buffer.from("short");
const LARGE = Buffer.alloc(5 * 1024 * 1024, "abcdefg");

describe("a request to a Unix socket", () => {
  let folder: string;
  let socketPath: string;
  let answer: (call: IncomingMessage, response: ServerResponse) => Promise<unknown>;
  const server = createServer((call, response) => void answer(call, response));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-unix-agent-"));
    socketPath = join(folder, "socket");
    await once(server.listen(socketPath), "listening");
  });
  after(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });

  const ask = async (options: { readonly signal?: AbortSignal } = {}, body: Uint8Array = SHORT) => {
    const call = request({ socketPath, method: "POST", path: "/", agent: unixAgent(), ...options });
    // More than one may come: a call may fail at both ends.
    call.on("error", () => {});
    call.end(body);
    const [response] = (await once(call, "response")) as [IncomingMessage];
    return response;
  };

  test("carries its body there and the answer back, each longer than what is on its way at once", async () => {
    answer = async (call, response) => response.end(await buffer(call));
    const body = await buffer(await ask({}, LARGE));
    assert.equal(Buffer.compare(body, LARGE), 0);
  });

  test("gives the parts of an answer as they come", async () => {
    const { promise: isRead, resolve } = Promise.withResolvers<void>();
    answer = async (_call, response) => {
      response.write("the first");
      await isRead;
      response.end(", and the rest");
    };
    const response = await ask();
    const [first] = await once(response, "data");
    resolve();
    assert.equal(String(first) + String(await buffer(response)), "the first, and the rest");
  });

  test("closes its connection when it has its answer", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    answer = async (call, response) => {
      call.socket.on("close", () => resolve());
      response.end("the answer");
    };
    (await ask()).resume();
    await closed;
  });

  test("closes its connection when it is given up, and says why", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const controller = new AbortController();
    answer = async (call) => {
      call.socket.on("close", () => resolve());
      call.resume();
      controller.abort();
    };
    await assert.rejects(ask({ signal: controller.signal }), { name: "AbortError" });
    await closed;
  });

  test("fails when the other side goes in the middle of it", async () => {
    answer = async (call) => call.socket.destroy();
    await assert.rejects(ask({}, LARGE), /hang up|ECONNRESET|EPIPE|reset|[Bb]roken pipe/);
  });

  test("fails when there is no such socket", async () => {
    const call = request({ socketPath: join(folder, "none"), agent: unixAgent() });
    call.end();
    await assert.rejects(once(call, "response"), /ENOENT|No such file/);
  });
});
