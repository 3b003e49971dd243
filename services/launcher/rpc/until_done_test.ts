import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeRequest, type RequestState } from "../../../lib/model/request.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { request } from "../../../test/harness/world.ts";
import { encodeOwnData, ownDataOf } from "../request/own_data.ts";
import type { Shared } from "./shared.ts";
import { untilDone } from "./until_done.ts";

/**
 * Somebody who waits for a request, at most a minute of calls that may take so many milliseconds. Its lease of so
 * many seconds lasts for so many from now on.
 */
function wait({
  deadlineMs = Number.POSITIVE_INFINITY,
  isPending = false,
  duration = 60,
  secondsLeft = 60,
  state = "requested" as RequestState,
} = {}) {
  const { clock, advance } = manualClock();
  const lease = { duration, expires: clock.now() / 1000 + secondsLeft };
  const record = { requestorData: encodeOwnData({ lease }) };
  const expiries: (number | undefined)[] = [];
  let entry: ReturnType<typeof request> | undefined = request("200-1", { ...record, state });
  let listeners = 0;
  const hearers = new Set<() => void>();
  let [tellCurrent, noteShown] = [(_current: boolean) => {}, () => {}];
  const listenTo = () => {
    listeners += 1;
    return () => {
      listeners -= 1;
    };
  };
  const view = {
    current: true,
    onCurrent: (listener: typeof tellCurrent) => {
      tellCurrent = listener;
      return listenTo();
    },
    request: () => entry,
    isPending: () => isPending,
    settled: () =>
      new Promise<void>((resolve) => {
        if (!isPending) resolve();
        noteShown = () => {
          isPending = false;
          resolve();
        };
      }),
  };
  const session = {
    set: async (_path: string, data: Uint8Array) => {
      expiries.push(ownDataOf(decodeRequest(data)).lease?.expires);
    },
  };
  const shared = {
    environment: { context: { view, clock, session } },
    engine: {
      watchRequest: (_id: string, listener: () => void) => {
        hearers.add(listener);
        return listenTo();
      },
    },
  } as unknown as Shared;
  const [caller, draining] = [new AbortController(), new AbortController()];
  const call = {
    signal: caller.signal,
    draining: draining.signal,
    deadline: clock.now() + deadlineMs,
  };
  let outcome = "waits";
  const turn = async () => await new Promise((resolve) => setImmediate(resolve));
  const begin = () => {
    untilDone(shared, "200-1", 60, call).then(
      () => {
        outcome = "answers";
      },
      (error: Error) => {
        outcome = error.message;
      },
    );
  };
  begin();
  return {
    caller,
    draining,
    expiries,
    /** What has become of it. */
    outcome: async () => {
      await turn();
      return outcome;
    },
    listeners: () => listeners,
    pass: async (milliseconds: number) => {
      advance(milliseconds);
      await turn();
    },
    become: (state: "pending" | "fulfilled" | "failed" | "gone") => {
      entry = state === "gone" ? undefined : request("200-1", { ...record, state });
      for (const hear of hearers) hear();
    },
    /** Somebody renews its lease for so many seconds. */
    renew: (duration: number) => {
      const lease = { duration, expires: clock.now() / 1000 + duration };
      entry = request("200-1", { requestorData: encodeOwnData({ lease }), state });
      for (const hear of hearers) hear();
    },
    loseConnection: () => {
      view.current = false;
      tellCurrent(false);
    },
    show: () => noteShown(),
  };
}

describe("who waits for a request", () => {
  for (const state of ["fulfilled", "failed", "gone"] as const) {
    it(`is answered when it is ${state}`, async () => {
      const waiting = wait();
      waiting.become("pending");
      assert.equal(await waiting.outcome(), "waits");
      waiting.become(state);
      assert.equal(await waiting.outcome(), "answers");
      assert.equal(waiting.listeners(), 0);
    });
  }

  it("is answered when what was written with it is shown, too", async () => {
    const waiting = wait({ isPending: true });
    waiting.become("fulfilled");
    assert.equal(await waiting.outcome(), "waits");
    waiting.show();
    assert.equal(await waiting.outcome(), "answers");
  });

  it("is answered when its time is over", async () => {
    const waiting = wait();
    await waiting.pass(59_900);
    assert.equal(await waiting.outcome(), "waits");
    await waiting.pass(200);
    assert.equal(await waiting.outcome(), "answers");
  });

  it("is answered a moment before the call's deadline", async () => {
    const waiting = wait({ deadlineMs: 5000 });
    await waiting.pass(4700);
    assert.equal(await waiting.outcome(), "waits");
    await waiting.pass(200);
    assert.equal(await waiting.outcome(), "answers");
  });

  it("is answered when the server shuts down", async () => {
    const waiting = wait();
    waiting.draining.abort();
    assert.equal(await waiting.outcome(), "answers");
  });

  it("keeps the lease alive, and no longer than it waits", async () => {
    const waiting = wait();
    await waiting.pass(21_000);
    assert.equal(waiting.expiries.length, 1);
    waiting.caller.abort(new Error("the caller has gone"));
    assert.equal(await waiting.outcome(), "the caller has gone");
    await waiting.pass(30_000);
    assert.equal(waiting.expiries.length, 1);
    assert.equal(waiting.listeners(), 0);
  });

  it("keeps a lease that is shortened meanwhile", async () => {
    const waiting = wait();
    waiting.renew(9);
    await waiting.pass(2900);
    assert.deepEqual(waiting.expiries, []);
    await waiting.pass(200);
    assert.equal(waiting.expiries.length, 1);
    await waiting.pass(3100);
    assert.equal(waiting.expiries.length, 2);
  });

  it("is answered with a lease that lasts, also where it comes late in it and is told at once", async () => {
    const waiting = wait({ secondsLeft: 5, state: "fulfilled" });
    assert.equal(await waiting.outcome(), "answers");
    assert.deepEqual(waiting.expiries, [60]);
  });

  it("is answered with one that lasts also where a clock gave it that was far ahead, and not a little", async () => {
    for (const [secondsLeft, expiries] of [
      [86_400, [60]],
      [60.9, []],
    ] as const) {
      const waiting = wait({ secondsLeft, state: "fulfilled" });
      assert.equal(await waiting.outcome(), "answers");
      assert.deepEqual(waiting.expiries, expiries);
    }
  });

  for (const { when, duration, after } of [
    { when: "two seconds", duration: 60, after: 2000 },
    { when: "a third of a lease that is short", duration: 3, after: 1000 },
  ]) {
    it(`hears of an outage after ${when}`, async () => {
      const waiting = wait({ duration, secondsLeft: duration });
      waiting.loseConnection();
      await waiting.pass(after - 100);
      assert.equal(await waiting.outcome(), "waits");
      await waiting.pass(200);
      assert.match(await waiting.outcome(), /connection to ZooKeeper is gone/);
    });
  }
});
