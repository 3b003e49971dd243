import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { sendFile } from "./send_file.ts";

const never = new AbortController().signal;
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let folder: string;
let server: http.Server;
let port: number;
/** What the server does with a body. */
let receive: (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** Takes a body, pausing now and then, and answers with its sha256. */
const slowly: typeof receive = async (request, response) => {
  const hash = createHash("sha256");
  let seen = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    seen += 1;
    if (seen % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  response.end(hash.digest("hex"));
};

async function send(path: string, length: number, signal = never): Promise<string> {
  const request = http.request({
    port,
    host: "127.0.0.1",
    method: "PUT",
    headers: { "content-length": length },
  });
  const answer = new Promise<string>((resolve, reject) => {
    request.once("error", reject);
    request.once("response", async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
  });
  answer.catch(() => undefined);
  await sendFile(path, request, signal);
  return await answer;
}

async function file(bytes: Uint8Array): Promise<string> {
  const path = join(folder, digest(bytes));
  await writeFile(path, bytes);
  return path;
}

describe("a file that is sent", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-send-"));
    server = http.createServer((request, response) => receive(request, response));
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    port = (server.address() as AddressInfo).port;
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  for (const size of [0, 1, 2 ** 20, 5 * 2 ** 20, 23 * 2 ** 20 + 7]) {
    test(`of ${size} bytes arrives whole, although its receiver is slow`, async () => {
      receive = slowly;
      const bytes = randomBytes(size);
      assert.equal(await send(await file(bytes), size), digest(bytes));
    });
  }

  test("is sent, although its receiver closes as soon as it has everything", async () => {
    const received: Uint8Array[] = [];
    const target = new Writable({
      write: (piece: Uint8Array, _encoding, done) => {
        received.push(piece.slice());
        done();
      },
    });
    target.once("finish", () => target.emit("close"));
    const bytes = randomBytes(2 ** 21 + 1);
    await sendFile(await file(bytes), target, never);
    assert.equal(digest(Buffer.concat(received)), digest(bytes));
  });

  test("leaves nothing behind for each piece: no promise that lasts is in many races", async () => {
    const target = new Writable({ write: (_piece, _encoding, done) => done() });
    const races = new Map<unknown, number>();
    const path = await file(randomBytes(23 * 2 ** 20));
    const { race } = Promise;
    // A promise that is not settled keeps every race that it is in.
    Promise.race = (runners: Iterable<unknown>) => {
      const all = [...runners];
      for (const runner of all) races.set(runner, (races.get(runner) ?? 0) + 1);
      return race.call(Promise, all) as Promise<never>;
    };
    try {
      await sendFile(path, target, never);
    } finally {
      Promise.race = race;
    }
    assert.deepEqual(
      [...races.values()].filter((count) => count > 1),
      [],
    );
  });

  test("that is not there is named", async () => {
    receive = slowly;
    await assert.rejects(send(join(folder, "absent"), 1), /ENOENT.*absent/);
  });

  test("is sent no longer when the signal is aborted", async () => {
    const stop = new AbortController();
    receive = () => stop.abort(new Error("given up"));
    const bytes = randomBytes(23 * 2 ** 20);
    await assert.rejects(send(await file(bytes), bytes.length, stop.signal), /given up/);
  });

  test("is sent no longer when the receiver goes away", async () => {
    receive = (request) => request.socket.destroy();
    const bytes = randomBytes(23 * 2 ** 20);
    await assert.rejects(
      send(await file(bytes), bytes.length),
      /ECONNRESET|EPIPE|socket hang up|closed|reset/i,
    );
  });
});
