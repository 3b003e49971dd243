import assert from "node:assert/strict";
import { it } from "node:test";
import type { WatchEvent } from "../types.ts";
import {
  type Fixture,
  PATIENCE_MS,
  pause,
  REAP_INTERVAL_MS,
  refused,
  text,
  textOf,
  within,
} from "./fixture.ts";

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

  it("refuses a document that is too large, names it, and goes on", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const huge = {
      kind: "create",
      path: `${place}/huge`,
      data: new Uint8Array(1_100_000),
      mode: "persistent",
    } as const;
    const message = new RegExp(
      `BAD_ARGUMENTS: a request of 11.* bytes: ZooKeeper takes 1048575.*${huge.path}`,
    );
    await assert.rejects(session.create(huge.path, huge.data, huge.mode), message);
    const small = { ...huge, path: `${place}/small`, data: text("x") };
    await assert.rejects(session.multi([small, huge, { ...small, path: `${place}/other` }]), message);
    assert.deepEqual(await session.children(place), []);
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

  it("makes an ephemeral znode that is its session's, and none where there is one", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const path = await session.create(`${place}/a-`, text("one"), "ephemeral-sequential");
    assert.equal(path, `${place}/a-0000000000`);
    const stat = await session.exists(path);
    assert.equal(stat?.ephemeralOwner, session.sessionId);
    assert.equal(stat?.dataLength, 3);
    await refused(session.create(path, NOTHING, "persistent"), "NODE_EXISTS");
  });

  it("deletes a container after its last child, and none that never had one", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    for (const name of ["used", "unused"]) {
      await session.create(`${place}/${name}`, text("kept"), "container");
    }
    await session.create(`${place}/used/child`, NOTHING, "persistent");
    await pause(3 * REAP_INTERVAL_MS);
    assert.equal(textOf((await session.get(`${place}/used`)).data), "kept");
    await session.delete(`${place}/used/child`, -1);
    await within(PATIENCE_MS, session.gone(`${place}/used`), "the container to go");
    assert.deepEqual(await session.children(place), ["unused"]);
  });

  it("deletes a znode when its time to live is over, unless it has a child", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    await session.create(`${place}/short`, NOTHING, { ttlMs: 100 });
    const numbered = await session.create(`${place}/s-`, NOTHING, { ttlMs: 100, isSequential: true });
    assert.equal(numbered, `${place}/s-0000000001`);
    await session.create(`${place}/long`, NOTHING, { ttlMs: 3_600_000 });
    // Together: the parent may not be over before it has its child.
    await Promise.all([
      session.create(`${place}/parent`, NOTHING, { ttlMs: 100 }),
      session.create(`${place}/parent/child`, NOTHING, "persistent"),
    ]);
    for (const path of [`${place}/short`, numbered]) {
      await within(PATIENCE_MS, session.gone(path), `the end of ${path}`);
    }
    assert.deepEqual((await session.children(place)).sort(), ["long", "parent"]);
    await session.delete(`${place}/parent/child`, -1);
    await within(PATIENCE_MS, session.gone(`${place}/parent`), "the end of the parent");
    await refused(session.create(`${place}/never`, NOTHING, { ttlMs: 0 }), "BAD_ARGUMENTS");
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
