import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sendFile } from "../send_file.ts";
import { HttpConnections } from "./http.ts";

const signal = AbortSignal.timeout(300_000);
const SIZE = 8 * 2 ** 20;
const cloud = { name: "c", source: "a test", verify: true, caFile: null, certFile: null, keyFile: null };

const answer = (status: string, text: string) =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`;

describe("a file in an HTTP call", () => {
  let folder: string;
  let path: string;
  let server: Server;
  let connections: HttpConnections;
  /** What the server does once it has read the head of a request; all that comes later is counted. */
  let hear: (head: string, socket: Socket) => void;
  let received: number;
  /** Ends the time in which the server may ask for the file. */
  let losePatience: () => void;
  /** What the server does when it has the whole file. */
  let finish: (socket: Socket) => void;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-http-"));
    path = join(folder, "image.raw");
    await writeFile(path, new Uint8Array(SIZE));
    const after = (_milliseconds: number, callback: () => void) => {
      losePatience = callback;
      return () => {};
    };
    connections = await HttpConnections.open(cloud, {}, { after });
    server = createServer((socket) => {
      let head: string | null = null;
      socket.on("error", () => {});
      socket.on("data", (part) => {
        if (head === null) {
          head = part.toString("latin1");
          received = part.length - (head.indexOf("\r\n\r\n") + 4);
          hear(head, socket);
        } else received += part.length;
        if (received === SIZE) finish(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    connections.close();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  const put = () =>
    connections.call({
      method: "PUT",
      url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`),
      headers: { "content-length": `${SIZE}` },
      body: (target) => sendFile(path, target, signal),
      isFresh: true,
      signal,
    });

  test("is not sent to a server that refuses it, and what the server says is heard", async () => {
    // It closes at once, so that whoever is still writing cannot hear it.
    hear = (_head, socket) =>
      socket.write(answer("413 Too Large", "the quota is full"), () => socket.destroy());
    for (let time = 1; time <= 10; time += 1) {
      const { status, text } = await put();
      assert.deepEqual([status, text, received], [413, "the quota is full", 0]);
    }
  });

  test("is sent as soon as the server asks for it", async () => {
    hear = (_head, socket) => socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    finish = (socket) => socket.end(answer("204 No Content", ""));
    assert.equal((await put()).status, 204);
  });

  test("is sent in the end to a server that does not know that it should ask", async () => {
    hear = () => losePatience();
    finish = (socket) => socket.end(answer("204 No Content", ""));
    assert.equal((await put()).status, 204);
    assert.equal(received, SIZE);
  });

  test("is sent through a proxy that does not know what is expected of it", async () => {
    const heads: boolean[] = [];
    hear = (head, socket) => {
      const isExpecting = /^expect: 100-continue\r$/im.test(head);
      heads.push(isExpecting);
      if (isExpecting) socket.end(answer("417 Expectation Failed", ""));
    };
    finish = (socket) => socket.end(answer("204 No Content", ""));
    assert.equal((await put()).status, 204);
    assert.deepEqual(heads, [true, false]);
  });
});
