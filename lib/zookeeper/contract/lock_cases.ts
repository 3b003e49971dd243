import assert from "node:assert/strict";
import { it } from "node:test";
import { contenderSequence } from "../../model/paths.ts";
import { createLocks } from "../locks.ts";
import { type Fixture, PATIENCE_MS, refused, text, textOf, until, within } from "./fixture.ts";

/** Locks. */
export function lockCases(fixture: Fixture): void {
  it("takes a free lock with kazoo's contender, and gives it back", async () => {
    const session = await fixture.session();
    const root = `${await fixture.place(session)}/lock`;
    const lock = await createLocks(session).acquire(root, { identifier: "me" });
    assert.ok(lock);
    const [contender] = await session.children(root);
    assert.match(contender ?? "", /^[0-9a-f]{32}__lock__0000000000$/);
    assert.equal(lock.contender, `${root}/${contender}`);
    const { data, stat } = await session.get(lock.contender);
    assert.equal(textOf(data), "me");
    assert.equal(stat.ephemeralOwner, session.sessionId);
    assert.ok(!lock.signal.aborted);

    await Promise.all([lock.release(), lock.release()]);
    assert.ok(lock.signal.aborted);
    assert.deepEqual(await session.children(root), []);
  });

  it("gives null at once when somebody else holds the lock, and leaves nothing behind", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const root = `${await fixture.place(session)}/lock`;
    const lock = await createLocks(session).acquire(root);
    assert.ok(lock);
    assert.equal(await createLocks(other).acquire(root), null);
    assert.equal(await createLocks(session).acquire(root), null, "nor does the holder get it twice");
    assert.equal((await session.children(root)).length, 1);
  });

  it("does not bring back what was deleted, unless asked to create parents", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const locks = createLocks(session);
    assert.equal(await locks.acquire(`${place}/node/lock`), null);
    assert.equal(await locks.acquire(`${place}/node/lock`, { timeout: 500 }), null);
    assert.equal(await session.exists(`${place}/node`), null);
    const lock = await locks.acquire(`${place}/node/lock`, { createParents: true });
    assert.ok(lock);
  });

  it("hands the lock on in the order in which it was asked for", async () => {
    const sessions = await Promise.all(Array.from({ length: 3 }, () => fixture.session()));
    const [first] = sessions;
    assert.ok(first);
    const root = `${await fixture.place(first)}/lock`;
    const held = await createLocks(first).acquire(root);
    assert.ok(held);
    const order: number[] = [];
    const waiting: Promise<void>[] = [];
    for (const [index, session] of [...sessions, ...sessions].entries()) {
      const turn = createLocks(session)
        .acquire(root, { timeout: PATIENCE_MS })
        .then(async (lock) => {
          order.push(index);
          await lock?.release();
        });
      waiting.push(turn);
      await until(
        async () => (await first.children(root)).length === index + 2,
        "the contender to be in line",
      );
    }
    await held.release();
    await within(PATIENCE_MS, Promise.all(waiting), "everyone's turn");
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await first.children(root), []);
  });

  it("gives up after the timeout or when aborted, and leaves nobody in line", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const root = `${await fixture.place(session)}/lock`;
    const held = await createLocks(session).acquire(root);
    assert.ok(held);
    const locks = createLocks(other);
    assert.equal(await locks.acquire(root, { timeout: 100 }), null);
    const controller = new AbortController();
    const attempt = locks.acquire(root, { timeout: 60_000, signal: controller.signal });
    await until(async () => (await session.children(root)).length === 2, "the contender to be in line");
    controller.abort(new Error("enough"));
    await assert.rejects(attempt, /enough/);
    await assert.rejects(locks.acquire(root, { signal: controller.signal }), /enough/);
    assert.deepEqual(await session.children(root), [held.contender.slice(root.length + 1)]);
  });

  it("passes the lock on when the holder's session ends", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const root = `${await fixture.place(session)}/lock`;
    const held = await createLocks(session).acquire(root);
    assert.ok(held);
    const next = createLocks(other).acquire(root, { timeout: PATIENCE_MS });
    await fixture.expire(session);
    assert.ok(held.signal.aborted);
    assert.ok(await within(PATIENCE_MS, next, "the lock to be passed on"));
    await held.release();
    assert.equal(
      (await session.children(root)).length,
      1,
      "a late release takes nothing from the next holder",
    );
  });

  it("refuses a write under a lock that is lost", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const place = await fixture.place(session);
    const held = await createLocks(session).acquire(`${place}/lock`);
    assert.ok(held);
    const write = { kind: "set", path: place, data: text("late"), version: -1 } as const;
    await session.multi([held.guard(), { ...write, data: text("in time") }]);
    await fixture.expire(session);
    const next = await createLocks(other).acquire(`${place}/lock`);
    assert.ok(next);
    await refused(session.multi([held.guard(), write]), "NO_NODE");
    assert.equal(textOf((await other.get(place)).data), "in time");
    await other.multi([next.guard(), { ...write, data: text("the next holder's") }]);
  });

  it("gives a lock back in the transaction that ends its work", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const lock = await createLocks(session).acquire(`${place}/lock`);
    assert.ok(lock);
    await session.multi([
      lock.guard(),
      { kind: "set", path: place, data: text("done"), version: -1 },
      lock.releaseOperation(),
    ]);
    lock.markReleased();
    assert.ok(lock.signal.aborted);
    await lock.release();
    assert.deepEqual(await session.children(`${place}/lock`), []);
  });

  it("creates what it locks, the lock and its contender in one transaction", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const locks = createLocks(session);
    const lock = locks.prepare(`${place}/new/lock`, "me");
    const held = lock.held(
      await session.multi([
        { kind: "create", path: `${place}/new`, data: text("x"), mode: "persistent" },
        ...lock.operations,
      ]),
    );
    assert.equal(held.root, `${place}/new/lock`);
    assert.equal(contenderSequence(held.contender), 0);
    assert.equal(textOf((await session.get(held.contender)).data), "me");
    assert.equal(await locks.acquire(`${place}/new/lock`), null);
    await held.release();
    assert.deepEqual(await session.children(`${place}/new/lock`), []);
  });

  it("takes back what a transaction has left whose answer was lost, and nothing of anybody else's", async () => {
    const session = await fixture.session();
    const root = `${await fixture.place(session)}/lock`;
    const locks = createLocks(session);
    await locks.prepare(root).withdraw();
    assert.equal(await session.exists(root), null);
    const first = locks.prepare(root);
    await session.multi(first.operations);
    const heir = locks.succeed(root);
    await session.multi(heir.operations);
    assert.equal((await session.children(root)).length, 2);
    await heir.withdraw();
    const left = (await session.children(root)).map((name) => `${root}/${name}`);
    assert.deepEqual(
      left.map((path) => path.startsWith(first.operations.at(-1)?.path ?? "?")),
      [true],
    );
    await first.withdraw();
    await first.withdraw();
    assert.deepEqual(await session.children(root), []);
  });

  it("takes a lock over in one transaction, ahead of whoever waits for it", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const root = `${await fixture.place(session)}/lock`;
    const locks = createLocks(session);
    const before = await locks.acquire(root);
    assert.ok(before);
    const next = createLocks(other).acquire(root, { timeout: PATIENCE_MS });
    await until(async () => (await session.children(root)).length === 2, "the contender to be in line");
    const heir = locks.succeed(root, "heir");
    const held = heir.held(await session.multi([...heir.operations, before.releaseOperation()]));
    before.markReleased();
    assert.equal(textOf((await session.get(held.contender)).data), "heir");
    assert.equal((await session.get(held.contender)).stat.ephemeralOwner, session.sessionId);
    await session.sync(root);
    assert.equal((await session.children(root)).length, 2, "who waited waits");
    await held.release();
    assert.ok(await within(PATIENCE_MS, next, "the lock to be passed on"));
  });

  it("keeps its place in line over a restart of the server", async () => {
    const [session, other] = [await fixture.session(), await fixture.session()];
    const root = `${await fixture.place(session)}/lock`;
    const held = await createLocks(session).acquire(root);
    assert.ok(held);
    const next = createLocks(other).acquire(root, { timeout: PATIENCE_MS });
    await until(async () => (await session.children(root)).length === 2, "the contender to be in line");
    await fixture.restart();
    await Promise.all([session.connected(), other.connected()]);
    assert.ok(!held.signal.aborted);
    await held.release();
    assert.ok(await within(PATIENCE_MS, next, "the lock to be passed on"));
  });
}
