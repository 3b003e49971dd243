import assert from "node:assert/strict";
import { it } from "node:test";
import type { CreateMode, Operation, WatchEvent } from "../types.ts";
import { type Fixture, pause, refused, text, textOf, until, within } from "./fixture.ts";
import { abandonEphemeral } from "./raw_session.ts";

const NOTHING = new Uint8Array();

/** Calls and their errors. */
export function callCases(fixture: Fixture): void {
  it("stores data and counts its versions", async () => {
    const session = await fixture.session();
    const path = `${await fixture.place(session)}/a`;
    assert.equal(await session.create(path, text("one"), "persistent"), path);
    const first = await session.get(path);
    assert.equal(textOf(first.data), "one");
    assert.equal(first.stat.version, 0);
    assert.equal(first.stat.ephemeralOwner, 0n);
    assert.equal(first.stat.dataLength, 3);

    const written = await session.set(path, text("other"), 0);
    assert.equal(written.version, 1);
    const second = await session.get(path);
    assert.equal(textOf(second.data), "other");
    assert.deepEqual(second.stat, written);
    assert.equal(second.stat.czxid, first.stat.czxid);
    assert.ok(second.stat.mzxid > first.stat.mzxid);
    assert.ok(Math.abs(second.stat.mtime - Date.now()) < 60_000);
  });

  it("keeps empty data and data of nearly a megabyte", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/empty`, NOTHING, "persistent");
    assert.equal((await session.get(`${place}/empty`)).data.length, 0);
    const large = new Uint8Array(1_000_000).fill(7);
    await session.create(`${place}/large`, large, "persistent");
    assert.deepEqual(new Uint8Array((await session.get(`${place}/large`)).data), large);
  });

  it("refuses a document that is too large and goes on", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await refused(session.create(`${place}/huge`, new Uint8Array(1_100_000), "persistent"), "BAD_ARGUMENTS");
    assert.equal(await session.exists(`${place}/huge`), null);
    assert.equal(session.state, "connected");
  });

  it("lists children and counts them", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    assert.deepEqual(await session.children(place), []);
    for (const name of ["b", "a", "ü"]) await session.create(`${place}/${name}`, NOTHING, "persistent");
    assert.deepEqual((await session.children(place)).sort(), ["a", "b", "ü"]);
    assert.equal((await session.exists(place))?.numChildren, 3);
  });

  it("numbers sequential znodes from their parent's count of creations", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    assert.equal(await session.create(`${place}/`, NOTHING, "persistent-sequential"), `${place}/0000000000`);
    await session.create(`${place}/lock`, NOTHING, "persistent");
    assert.equal(
      await session.create(`${place}/n-`, NOTHING, "ephemeral-sequential"),
      `${place}/n-0000000002`,
    );
    await session.delete(`${place}/0000000000`, -1);
    assert.equal(await session.create(`${place}/`, NOTHING, "persistent-sequential"), `${place}/0000000003`);
  });

  it("lets the next sequence number be foretold from the parent's stat", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    for (let round = 0; round < 3; round += 1) {
      const stat = await session.exists(place);
      assert.ok(stat);
      const next = String((stat.cversion + stat.numChildren) / 2).padStart(10, "0");
      assert.equal(await session.create(`${place}/`, NOTHING, "persistent-sequential"), `${place}/${next}`);
      await session.create(`${place}/x`, NOTHING, "persistent");
      await session.delete(`${place}/x`, -1);
    }
  });

  it("answers with the error that fits", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/a`, NOTHING, "persistent");
    await session.create(`${place}/a/child`, NOTHING, "persistent");
    await session.create(`${place}/e`, NOTHING, "ephemeral");
    await refused(session.get(`${place}/none`), "NO_NODE");
    await refused(session.children(`${place}/none`), "NO_NODE");
    await refused(session.set(`${place}/none`, NOTHING, -1), "NO_NODE");
    await refused(session.delete(`${place}/none`, -1), "NO_NODE");
    await refused(session.create(`${place}/none/child`, NOTHING, "persistent"), "NO_NODE");
    await refused(session.create(`${place}/a`, NOTHING, "persistent"), "NODE_EXISTS");
    await refused(session.delete(`${place}/a`, -1), "NOT_EMPTY");
    await refused(session.set(`${place}/a`, NOTHING, 7), "BAD_VERSION");
    await refused(session.delete(`${place}/a/child`, 7), "BAD_VERSION");
    await refused(session.create(`${place}/e/child`, NOTHING, "persistent"), "NO_CHILDREN_FOR_EPHEMERALS");
    await refused(session.create(`${place}/a/`, NOTHING, "persistent"), "BAD_ARGUMENTS");
    assert.equal(await session.exists(`${place}/none`), null);
    assert.equal(session.state, "connected");
  });

  it("creates missing parents, and deletes whole trees", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.ensurePath(`${place}/a/b/c`);
    await session.ensurePath(`${place}/a/b/c`);
    await session.create(`${place}/a/b/c/e`, NOTHING, "ephemeral");
    await session.deleteRecursive(`${place}/a`);
    assert.deepEqual(await session.children(place), []);
    await session.deleteRecursive(`${place}/a`);
  });

  it("answers many calls at once in their order", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const names = await Promise.all(
      Array.from({ length: 300 }, () => session.create(`${place}/`, NOTHING, "persistent-sequential")),
    );
    assert.deepEqual(names, [...names].sort());
    assert.equal(new Set(names).size, 300);
    await session.sync(place);
  });

  it("puts a chroot before each path and takes it off again", async () => {
    const plain = await fixture.session();
    const place = await fixture.place(plain);
    const session = await fixture.session({ chroot: `${place}/root` });
    await refused(session.create("/a", NOTHING, "persistent"), "NO_NODE");
    await session.ensurePath("/");
    const events: WatchEvent[] = [];
    await session.watchRecursive(
      "/",
      (event) => events.push(event),
      () => undefined,
    );
    assert.equal(await session.create("/a", text("x"), "persistent"), "/a");
    const [created] = await session.multi([
      { kind: "create", path: "/a/", data: NOTHING, mode: "persistent-sequential" },
    ]);
    assert.deepEqual(created, { kind: "create", path: "/a/0000000000" });
    assert.equal(textOf((await plain.get(`${place}/root/a`)).data), "x");
    assert.deepEqual(events, [
      { kind: "created", path: "/a" },
      { kind: "created", path: "/a/0000000000" },
    ]);
  });
}

/** Transactions. */
export function transactionCases(fixture: Fixture): void {
  const create = (path: string, mode: CreateMode = "persistent"): Operation => {
    return { kind: "create", path, data: NOTHING, mode };
  };

  it("commits every step of a transaction", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/old`, NOTHING, "persistent");
    const before = (await session.exists(place))?.czxid ?? 0n;
    const results = await session.multi([
      { kind: "check", path: `${place}/old`, version: 0 },
      create(`${place}/new`),
      { kind: "set", path: `${place}/new`, data: text("x"), version: 0 },
      create(`${place}/new/n-`, "ephemeral-sequential"),
      { kind: "delete", path: `${place}/old`, version: 0 },
    ]);
    assert.deepEqual(
      results.map(({ kind }) => kind),
      ["check", "create", "set", "create", "delete"],
    );
    assert.deepEqual(results[3], { kind: "create", path: `${place}/new/n-0000000000` });
    const { stat } = await session.get(`${place}/new`);
    assert.equal(stat.czxid, stat.mzxid, "all steps have one transaction id");
    assert.ok(stat.czxid > before);
    assert.deepEqual(await session.children(place), ["new"]);
  });

  it("commits nothing when one step fails, and says which", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/a`, text("before"), "persistent");
    const attempts: [Operation, string][] = [
      [{ kind: "check", path: `${place}/none`, version: -1 }, "NO_NODE"],
      [{ kind: "check", path: `${place}/a`, version: 3 }, "BAD_VERSION"],
      [{ kind: "set", path: `${place}/none`, data: NOTHING, version: -1 }, "NO_NODE"],
      [{ kind: "delete", path: place, version: -1 }, "NOT_EMPTY"],
      [create(`${place}/a`), "NODE_EXISTS"],
    ];
    for (const [failing, code] of attempts) {
      const steps: Operation[] = [
        { kind: "set", path: `${place}/a`, data: text("after"), version: -1 },
        create(`${place}/b`),
        failing,
        create(`${place}/c`),
      ];
      await assert.rejects(session.multi(steps), (error) => {
        assert.ok(error instanceof Error && "code" in error && "index" in error);
        assert.deepEqual([error.code, error.index], [code, 2]);
        return true;
      });
    }
    assert.equal(textOf((await session.get(`${place}/a`)).data), "before");
    assert.deepEqual(await session.children(place), ["a"]);
  });

  it("shows each step of a transaction what the steps before it did", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.multi([
      create(`${place}/a`),
      create(`${place}/a/b`),
      { kind: "delete", path: `${place}/a/b`, version: -1 },
      { kind: "delete", path: `${place}/a`, version: -1 },
      create(`${place}/a`, "ephemeral"),
    ]);
    assert.equal((await session.exists(`${place}/a`))?.ephemeralOwner, session.sessionId);
  });
}

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
    await within(2000, gone, "the ephemeral to go");
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
    await fixture.server.restart();
    await within(10_000, session.connected(), "connect again");
    assert.equal(session.sessionId, sessionId);
    assert.ok(!signal.aborted);
    assert.equal(textOf((await session.get(`${place}/e`)).data), "mine");
  });

  it("ends a session whose client is never heard of again", async () => {
    const session = await fixture.session();
    const path = `${await fixture.place(session)}/e`;
    await abandonEphemeral(fixture.server, path, 1000);
    assert.notEqual(await session.exists(path), null);
    await within(6000, session.gone(path), "the ephemeral to go");
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
    await fixture.server.restart();
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
    await within(2000, session.gone(path), "what does not exist is gone");
    await session.create(path, NOTHING, "persistent");
    const gone = session.gone(path);
    const controller = new AbortController();
    const aborted = session.gone(path, controller.signal);
    await other.set(path, text("still there"), -1);
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await fixture.server.restart();
    await Promise.all([session.connected(), other.connected()]);
    await pause(50);
    await other.delete(path, -1);
    await within(3000, gone, "the znode to go");
  });
}
