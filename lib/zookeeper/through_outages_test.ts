import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../std/clock.ts";
import { throughOutages, worthAnotherTry } from "./through_outages.ts";
import { type Session, ZooKeeperError, type ZooKeeperErrorCode } from "./types.ts";

const clock = { ...systemClock, sleep: async () => {} };

/** Work that fails with these, one after the other, and then succeeds; it notes when a connection was waited for. */
function stage(...codes: ZooKeeperErrorCode[]) {
  const events: string[] = [];
  const session: Pick<Session, "connected"> = { connected: async () => void events.push("connected") };
  const work = async () => {
    const code = codes.shift();
    events.push(code ?? "done");
    if (code !== undefined) throw new ZooKeeperError(code, "no");
    return "done";
  };
  return { events, session, work };
}

test("work is done again, each time with a connection, until it is done", async () => {
  const { events, session, work } = stage("CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_EXPIRED");
  assert.equal(await throughOutages(session, clock, work), "done");
  assert.deepEqual(events, [
    ...["connected", "CONNECTION_LOSS", "connected", "OPERATION_TIMEOUT"],
    ...["connected", "SESSION_EXPIRED", "connected", "done"],
  ]);
});

test("what has nothing to do with the connection is not repeated, nor what nobody waits for any more", async () => {
  for (const code of ["CLOSED", "NO_AUTH"] as const) {
    const { session, work } = stage(code);
    await assert.rejects(throughOutages(session, clock, work), { code });
  }
  const { events, session, work } = stage("CONNECTION_LOSS");
  await assert.rejects(throughOutages(session, clock, work, AbortSignal.abort()), {
    code: "CONNECTION_LOSS",
  });
  assert.deepEqual(events, ["connected", "CONNECTION_LOSS"]);
});

test("a server that does nothing at the moment is left alone for a while, one that is away is only waited for", async () => {
  const pausesAfter = async (code: ZooKeeperErrorCode) => {
    const pauses: number[] = [];
    const watched = { sleep: async (milliseconds: number) => void pauses.push(milliseconds) };
    const { session, events } = stage();
    await worthAnotherTry(session, watched, new ZooKeeperError(code, "no"));
    assert.deepEqual(events, ["connected"]);
    return pauses.length;
  };
  assert.equal(await pausesAfter("SYSTEM_ERROR"), 1);
  assert.equal(await pausesAfter("THROTTLED"), 1);
  assert.equal(await pausesAfter("CONNECTION_LOSS"), 0);
});
