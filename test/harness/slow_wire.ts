// A wire to a ZooKeeper server that carries one frame at a time and dawdles: reads reach the server late, so that they
// bring what is newer than what they were made for, and what one transaction has changed is told piece by piece. All
// stays in order, as ZooKeeper promises.
import { Buffer } from "node:buffer";
import net from "node:net";
import process from "node:process";
import { systemClock } from "../../lib/std/clock.ts";

/** Puts all builders and launchers that tests start in their own process behind slow wires. */
export const SLOW_WIRE = process.env.NODEPOOL_TEST_SLOW_WIRE === "1";

export interface SlowWire {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on a port of its own. The `part` of the frames that dawdles does so for `pauseMs` milliseconds at most. */
export async function startSlowWire(
  target: { readonly host: string; readonly port: number },
  { part = 1 / 3, pauseMs = 4 }: { readonly part?: number; readonly pauseMs?: number } = {},
): Promise<SlowWire> {
  const sockets = new Set<net.Socket>();
  const pause = () => (Math.random() < part ? systemClock.sleep(Math.random() * pauseMs) : nextTurn());
  const join = (from: net.Socket, to: net.Socket) => {
    sockets.add(from);
    from.setNoDelay(true);
    carry(from, to, pause);
    from.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = net.createServer((client) => {
    const upstream = net.connect({ host: target.host, port: target.port });
    join(client, upstream);
    join(upstream, client);
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: "127.0.0.1",
    port: (server.address() as net.AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

function carry(from: net.Socket, to: net.Socket, pause: () => Promise<void>): void {
  let rest = Buffer.alloc(0);
  const frames: Buffer[] = [];
  let isCarrying = false;
  const deliver = async () => {
    if (isCarrying) return;
    isCarrying = true;
    for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
      await pause();
      to.write(frame);
    }
    isCarrying = false;
  };
  from.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      frames.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    void deliver();
  });
}
