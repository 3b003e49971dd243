import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerError, Status } from "nice-grpc-common";
import { decodeRequest } from "../../../lib/model/request.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { request } from "../../../test/harness/world.ts";
import { encodeOwnData, ownDataOf } from "../request/own_data.ts";
import type { Shared } from "./shared.ts";
import { watchRequest } from "./watch_request.ts";

/**
 * A watch of a request whose lease lasts 60 seconds, so many of them from now on, at a launcher with a manual clock. With
 * `isPending`, something has happened to the request that is never shown.
 */
function watch(secondsLeft: number, isPending = false) {
  const { clock, advance } = manualClock();
  const expiries: (number | undefined)[] = [];
  let toldCurrent = (_current: boolean) => {};
  const lease = { duration: 60, expires: clock.now() / 1000 + secondsLeft };
  const record = { requestorData: encodeOwnData({ lease }) };
  let entry = request("200-1", record);
  const listeners = new Set<() => void>();
  const view = {
    current: true,
    onCurrent: (listener: typeof toldCurrent) => {
      toldCurrent = listener;
      return () => {};
    },
    request: () => entry,
    isPending: () => isPending,
    settled: async () => await new Promise<void>((resolve) => isPending || resolve()),
  };
  const session = {
    set: async (_path: string, data: Uint8Array) => {
      expiries.push(ownDataOf(decodeRequest(data)).lease?.expires);
    },
  };
  const shared = {
    environment: { context: { view, clock, session }, nodesOf: () => [] },
    engine: {
      watchRequest: (_id: string, listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      reasonOf: () => undefined,
    },
  } as unknown as Shared;
  const pass = async (milliseconds: number) => {
    advance(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const stop = new AbortController();
  const stream = watchRequest(shared, { name: "nodeRequests/200-1" }, stop.signal);
  const change = (changed: Parameters<typeof request>[1]) => {
    entry = request("200-1", { ...record, ...changed });
    for (const hear of listeners) hear();
  };
  const tell = (current: boolean) => {
    view.current = current;
    toldCurrent(current);
  };
  return { clock, pass, expiries, stream, stop, change, tell };
}

/** All that a watch has told so far, as the states and priorities of its request. */
function told(stream: ReturnType<typeof watch>["stream"]): string[] {
  const heard: string[] = [];
  const read = async () => {
    for await (const { event } of stream) {
      if (event?.$case !== "status") continue;
      const { state, relativePriority } = event.value.request ?? {};
      heard.push(`${state} ${relativePriority}`);
    }
  };
  void read();
  return heard;
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

  it("tells at once what becomes of it, and ten times a second at most how it gets there", async () => {
    const { pass, stream, change, stop } = watch(60);
    const heard = told(stream);
    await pass(0);
    for (const relativePriority of [1, 2, 3]) {
      change({ relativePriority });
      await pass(30);
    }
    assert.deepEqual(heard, ["STATE_REQUESTED 0"]);
    await pass(10);
    assert.deepEqual(heard.slice(1), ["STATE_REQUESTED 3"]);
    change({ state: "pending", relativePriority: 3 });
    await pass(1);
    change({ state: "fulfilled", relativePriority: 3 });
    await pass(0);
    assert.deepEqual(heard.slice(2), ["STATE_FULFILLED 3"]);
    await pass(1000);
    assert.equal(heard.length, 3);
    stop.abort();
  });

  it("tells at once what comes after a while in which nothing was told", async () => {
    const { pass, stream, change, stop } = watch(60);
    const heard = told(stream);
    await pass(0);
    await pass(100);
    change({ relativePriority: 1 });
    await pass(0);
    assert.deepEqual(heard, ["STATE_REQUESTED 0", "STATE_REQUESTED 1"]);
    stop.abort();
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

  it("sends whoever begins to watch elsewhere when the connection breaks before the request is shown", async () => {
    const { pass, stream, tell } = watch(60, true);
    const refused = assert.rejects(stream.next(), { code: Status.UNAVAILABLE });
    tell(false);
    await pass(2000);
    await refused;
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
