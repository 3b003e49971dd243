import assert from "node:assert/strict";
import { it } from "node:test";
import { type Fixture, PATIENCE_MS, pause, refused, text, textOf, until, within } from "./fixture.ts";
import { abandonEphemeral } from "./raw_session.ts";

const NOTHING = new Uint8Array();

/** Sessions and watches. */
export function sessionCases(fixture: Fixture): void {
  it("removes a session's ephemerals when it is closed", async () => {
    const session = await fixture.session();
    const other = await fixture.session();
    const path = `${await fixture.place(session)}/e`;
    await session.create(path, NOTHING, "ephemeral");
    assert.equal((await other.exists(path))?.ephemeralOwner, session.sessionId);
    const gone = other.gone(path);
    await session.close();
    await within(PATIENCE_MS, gone, "the ephemeral to go");
    assert.equal(await other.exists(path), null);
    await refused(session.get("/"), "CLOSED");
  });

  it("begins a new session after one has expired, and tells who holds something", async () => {
    const session = await fixture.session();
    const path = `${await fixture.place(session)}/e`;
    await session.create(path, NOTHING, "ephemeral");
    const { signal, sessionId } = session;
    const states: string[] = [];
    session.onState((state) => states.push(state));
    await fixture.expire(session);
    assert.ok(signal.aborted);
    assert.ok(!session.signal.aborted);
    assert.notEqual(session.sessionId, sessionId);
    assert.deepEqual(states, ["suspended", "lost", "connecting", "connected"]);
    assert.equal(await session.exists(path), null);
  });

  it("keeps a session and its ephemerals over a restart of the server", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/e`, text("mine"), "ephemeral");
    const { sessionId, signal } = session;
    await fixture.restart();
    await within(PATIENCE_MS, session.connected(), "connect again");
    assert.equal(session.sessionId, sessionId);
    assert.ok(!signal.aborted);
    assert.equal(textOf((await session.get(`${place}/e`)).data), "mine");
  });

  it("ends a session whose client is never heard of again", async () => {
    const session = await fixture.session();
    const path = `${await fixture.place(session)}/e`;
    const events: string[] = [];
    await session.watchRecursive(
      path,
      ({ kind }) => events.push(kind),
      () => undefined,
    );
    await abandonEphemeral(fixture.server, path, 1000);
    await until(() => events.length >= 2, "the ephemeral to come and go");
    assert.deepEqual(events, ["created", "deleted"]);
  });

  it("tells of every change below a recursive watch, in order", async () => {
    const session = await fixture.session();
    const other = await fixture.session();
    const place = await fixture.place(session);
    const events: string[] = [];
    const stop = await session.watchRecursive(
      place,
      ({ kind, path }) => events.push(`${kind} ${path.slice(place.length)}`),
      () => undefined,
    );
    await other.create(`${place}/a`, NOTHING, "persistent");
    await other.create(`${place}/a/b`, NOTHING, "persistent");
    await other.set(`${place}/a/b`, text("x"), -1);
    await other.set(place, text("x"), -1);
    await other.multi([
      { kind: "delete", path: `${place}/a/b`, version: -1 },
      { kind: "create", path: `${place}/c`, data: NOTHING, mode: "persistent" },
    ]);
    await other.create(`${place}x`, NOTHING, "persistent");
    await until(() => events.length >= 6, "six events");
    assert.deepEqual(events, [
      "created /a",
      "created /a/b",
      "changed /a/b",
      "changed ",
      "deleted /a/b",
      "created /c",
    ]);

    stop();
    await session.sync(place);
    await session.exists(place);
    await other.create(`${place}/later`, NOTHING, "persistent");
    await session.exists(`${place}/later`);
    assert.equal(events.length, 6, "nothing is heard once the watch is taken back");
  });

  it("tells of a change before it answers the call that made it", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const events: string[] = [];
    await session.watchRecursive(
      place,
      ({ kind }) => events.push(kind),
      () => undefined,
    );
    for (let round = 0; round < 20; round += 1) {
      await session.create(`${place}/a`, NOTHING, "persistent");
      assert.equal(events.length, round * 3 + 1);
      await session.set(`${place}/a`, NOTHING, -1);
      assert.equal(events.length, round * 3 + 2);
      await session.delete(`${place}/a`, -1);
      assert.equal(events.length, round * 3 + 3);
    }
  });

  it("sets its recursive watches anew after a restart and after an expiry, and says so", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const events: string[] = [];
    let resets = 0;
    await session.watchRecursive(
      place,
      ({ path }) => events.push(path),
      () => {
        resets += 1;
      },
    );
    await fixture.restart();
    await until(() => resets === 1, "the first reset");
    await session.create(`${place}/a`, NOTHING, "persistent");
    await fixture.expire(session);
    await until(() => resets === 2, "the second reset");
    await session.create(`${place}/b`, NOTHING, "persistent");
    assert.deepEqual(events, [`${place}/a`, `${place}/b`]);
  });

  it("waits for a znode to go, over a restart of the server, and not when aborted", async () => {
    const session = await fixture.session();
    const other = await fixture.session();
    const path = `${await fixture.place(session)}/a`;
    await within(PATIENCE_MS, session.gone(path), "what does not exist is gone");
    await session.create(path, NOTHING, "persistent");
    const gone = session.gone(path);
    const controller = new AbortController();
    const aborted = session.gone(path, controller.signal);
    await other.set(path, text("still there"), -1);
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await fixture.restart();
    await Promise.all([session.connected(), other.connected()]);
    await pause(50);
    await other.delete(path, -1);
    await within(PATIENCE_MS, gone, "the znode to go");
  });

  it("waits no more for a znode to go when it is aborted at any step of beginning to wait", async () => {
    const session = await fixture.session();
    const path = `${await fixture.place(session)}/a`;
    await session.create(path, NOTHING, "persistent");
    for (let steps = 0; steps < 12; steps += 1) {
      const controller = new AbortController();
      const waiting = assert.rejects(session.gone(path, controller.signal), /enough/);
      for (let step = 0; step < steps; step += 1) await Promise.resolve();
      controller.abort(new Error("enough"));
      await within(PATIENCE_MS, waiting, `the end of a wait aborted after ${steps} steps`);
    }
  });
}
