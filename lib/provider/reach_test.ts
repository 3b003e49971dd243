import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { describe, it } from "node:test";
import { freePort } from "../../test/harness/ports.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { reach } from "./reach.ts";

const never = new AbortController().signal;
const TIMEOUT_MS = 60_000;

describe("waiting for a machine to be reached", () => {
  const open = async (port = 0): Promise<Server> => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return server;
  };
  const reachAt = (port: number, clock: Clock, signal = never) =>
    reach({ host: "127.0.0.1", port, timeoutMs: TIMEOUT_MS, signal, clock });
  /** A clock on which the timers of this length are over at once, or when `sleep`, done in place of a pause, says so. */
  const clockBy = (sleep: (end: (milliseconds: number) => void) => Promise<void>, atOnce?: number): Clock => {
    const timers = new Map<number, () => void>();
    return {
      ...systemClock,
      after: (milliseconds, callback) => {
        if (milliseconds === atOnce) callback();
        else timers.set(milliseconds, callback);
        return () => void timers.delete(milliseconds);
      },
      sleep: async (_milliseconds, signal) => {
        await sleep((length) => timers.get(length)?.());
        signal?.throwIfAborted();
      },
    };
  };

  it("tries again until something listens", async () => {
    const port = await freePort();
    const servers: Server[] = [];
    await reachAt(
      port,
      clockBy(async () => void servers.push(await open(port))),
    );
    assert.equal(servers.length, 1);
    servers[0]?.close();
  });

  it("ends at the timeout, and says where and why", async () => {
    const port = await freePort();
    await assert.rejects(
      reachAt(
        port,
        clockBy(async (end) => end(TIMEOUT_MS)),
      ),
      new RegExp(`nothing answers at 127\\.0\\.0\\.1 port ${port} within 60 s: .*ECONNREFUSED`),
    );
  });

  it("connects anew when a connection does not stand after 3 s", async () => {
    const server = await open();
    const { port } = server.address() as { port: number };
    await assert.rejects(
      reachAt(
        port,
        clockBy(async (end) => end(TIMEOUT_MS), 3000),
      ),
      /within 60 s: it did not answer in 3 s/,
    );
    server.close();
  });

  it("ends with the signal's reason when it is aborted", async () => {
    const reason = new Error("the node is not wanted any more");
    const abort = new AbortController();
    const port = await freePort();
    const clock = clockBy(async () => abort.abort(reason));
    await assert.rejects(reachAt(port, clock, abort.signal), reason);
  });
});
