// Free ports on loopback for servers that tests start.
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

/** Below those that Linux gives to connections (32768 on): such a port would be taken now and then before its server has it. */
const [FIRST, END] = [12_000, 32_000] as const;

/** A port on 127.0.0.1 that is free, and that no other caller gets, here or in another process, while this one runs. */
export async function freePort(): Promise<number> {
  while (true) {
    const port = randomInt(FIRST, END);
    if ((await isFree(port)) && (await reserve(port))) return port;
  }
}

/** Whether somebody takes connections at a port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Keeps the port of the same number of UDP, which is in no server's way: the kernel gives it back when we end. */
function reserve(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    socket.once("error", () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.unref();
      resolve(true);
    });
  });
}
