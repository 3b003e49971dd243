import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerError, Status } from "nice-grpc-common";
import { decodeRequest } from "../../../lib/model/request.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { request } from "../../../test/harness/world.ts";
import { encodeOwnData, ownDataOf } from "../request/own_data.ts";
import type { Shared } from "./shared.ts";
import { watchRequest } from "./watch_request.ts";

/** A watch of a request whose lease lasts 60 seconds, so many of them from now on, at a launcher with a manual clock. */
function watch(secondsLeft: number) {
  const { clock, advance } = manualClock();
  const expiries: (number | undefined)[] = [];
  let told = (_current: boolean) => {};
  const lease = { duration: 60, expires: clock.now() / 1000 + secondsLeft };
  const entry = request("200-1", { requestorData: encodeOwnData({ lease }) });
  const view = {
    current: true,
    onCurrent: (listener: typeof told) => {
      told = listener;
      return () => {};
    },
    request: () => entry,
    isPending: () => false,
    settled: async () => {},
  };
  const session = {
    set: async (_path: string, data: Uint8Array) => {
      expiries.push(ownDataOf(decodeRequest(data)).lease?.expires);
    },
  };
  const shared = {
    environment: { context: { view, clock, session }, nodesOf: () => [] },
    engine: { watchRequest: () => () => {}, reasonOf: () => undefined },
  } as unknown as Shared;
  const pass = async (milliseconds: number) => {
    advance(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const stop = new AbortController();
  const stream = watchRequest(shared, { name: "nodeRequests/200-1" }, stop.signal);
  return { clock, pass, expiries, stream, stop, tell: (current: boolean) => told(current) };
}

describe("a watch of a request", () => {
  it("renews the lease at each third of it", async () => {
    const { pass, expiries, stream } = watch(60);
    await stream.next();
    await pass(19_000);
    assert.deepEqual(expiries, []);
    await pass(2000);
    assert.equal(expiries.length, 1);
    await stream.return();
  });

  it("renews it at once when little of it is left", async () => {
    const { clock, pass, expiries, stream } = watch(5);
    const now = clock.now() / 1000;
    await stream.next();
    await pass(1);
    assert.equal(expiries.length, 1);
    assert.ok(Math.abs((expiries[0] ?? 0) - now - 60) < 1);
    await stream.return();
  });

  it("goes on when the connection to ZooKeeper is back soon", async () => {
    const { pass, stream, stop, tell } = watch(60);
    await stream.next();
    let isOpen = true;
    const next = stream.next().finally(() => {
      isOpen = false;
    });
    tell(false);
    await pass(4000);
    tell(true);
    await pass(10_000);
    assert.ok(isOpen);
    stop.abort();
    assert.equal((await next).done, true);
  });

  it("sends its watcher elsewhere when it is not", async () => {
    const { pass, stream, tell } = watch(60);
    await stream.next();
    const end = assert.rejects(
      stream.next(),
      (error) => error instanceof ServerError && error.code === Status.UNAVAILABLE,
    );
    tell(false);
    await pass(6000);
    await end;
  });
});
