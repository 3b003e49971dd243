import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, test } from "node:test";
import { gatherWrites } from "./gathered_writes.ts";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

/** A server's side of a connection, and how many bytes each system call gets from it. */
interface Accepted {
  readonly socket: net.Socket;
  readonly handed: readonly number[];
  /** All that the other side has read once the connection is over. */
  readonly read: Promise<string>;
}

async function connection({ gathered }: { readonly gathered: boolean }): Promise<Accepted> {
  const server = net.createServer().listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  cleanups.push(gatherWrites(gathered ? port : port + 1));
  const accepted = once(server, "connection");
  const client = net.connect(port, "127.0.0.1");
  cleanups.push(() => client.destroy());
  const [socket] = (await accepted) as [net.Socket];
  const handed: number[] = [];
  const { _write, _writev } = socket;
  socket._write = (chunk, ...rest) => {
    handed.push(chunk.length);
    _write.call(socket, chunk, ...rest);
  };
  socket._writev = (chunks, ...rest) => {
    handed.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0));
    _writev?.call(socket, chunks, ...rest);
  };
  return { socket, handed, read: textOf(client) };
}

async function textOf(client: net.Socket): Promise<string> {
  let text = "";
  for await (const chunk of client) text += String(chunk);
  return text;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function writeAll(socket: net.Socket, words: readonly string[]): void {
  for (const word of words) socket.write(Buffer.from(word));
}

const skip = "Deno" in globalThis ? false : "Node.js gathers below the socket";

describe("a connection's writes", () => {
  test("of one turn are handed on together, and those of the next by themselves", { skip }, async () => {
    const { socket, handed, read } = await connection({ gathered: true });
    writeAll(socket, ["headers ", "message ", "trailers "]);
    await turn();
    writeAll(socket, ["more ", "still"]);
    await turn();
    socket.end();
    assert.equal(await read, "headers message trailers more still");
    assert.deepEqual(handed, [25, 10]);
  });

  test("arrive when the connection is ended in the same turn", async () => {
    const { socket, read } = await connection({ gathered: true });
    writeAll(socket, ["the ", "last "]);
    socket.end("words");
    assert.equal(await read, "the last words");
  });

  test("at another port are handed on one by one", async () => {
    const { socket, handed, read } = await connection({ gathered: false });
    writeAll(socket, ["one ", "two"]);
    socket.end();
    assert.equal(await read, "one two");
    assert.deepEqual(handed, [4, 3]);
  });
});
