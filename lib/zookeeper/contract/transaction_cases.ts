// What a server does with transactions, one or many at a time.
import assert from "node:assert/strict";
import { it } from "node:test";
import { type CreateMode, type Operation, TransactionError } from "../types.ts";
import { type Fixture, text, textOf } from "./fixture.ts";

const NOTHING = new Uint8Array();

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

  it("gives each of many transactions at a time its own results", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const turns = Array.from({ length: 100 }, (_, turn) => turn);
    const results = await Promise.all(
      turns.map((turn) =>
        session.multi([
          create(`${place}/n-`, "persistent-sequential"),
          { kind: "set", path: place, data: text(String(turn)), version: turn },
        ]),
      ),
    );
    for (const turn of turns) {
      const [created, set] = results[turn] ?? [];
      assert.deepEqual(created, {
        kind: "create",
        path: `${place}/n-${String(turn).padStart(10, "0")}`,
      });
      assert.equal(set?.kind === "set" && set.stat.version, turn + 1, "each builds on the one before");
    }
    assert.equal(textOf((await session.get(place)).data), "99");
  });

  it("commits transactions that are asked for in one turn as one", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const names = ["a", "b", "c"];
    const creations = names.map((name) => session.multi([create(`${place}/${name}`)]));
    const set = session.multi([{ kind: "set", path: place, data: text("x"), version: 0 }]);
    await Promise.all([...creations, set]);
    const stats = await Promise.all(names.map((name) => session.exists(`${place}/${name}`)));
    const { mzxid } = (await session.get(place)).stat;
    assert.deepEqual(new Set(stats.map((stat) => stat?.czxid)), new Set([mzxid]));
  });

  it("answers a transaction of one creation as any other, alone and beside others", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const others: Operation[][] = [[], [{ kind: "set", path: place, data: NOTHING, version: -1 }]];
    for (const [turn, other] of others.entries()) {
      const [created] = await Promise.all([
        session.multi([create(`${place}/n-`, "persistent-sequential")]),
        session.multi(other),
      ]);
      assert.deepEqual(created, [{ kind: "create", path: `${place}/n-000000000${turn}` }]);
    }
    await assert.rejects(session.multi([create(`${place}/none/a`)]), (error) => {
      assert.ok(error instanceof TransactionError);
      assert.deepEqual([error.code, error.index, error.path], ["NO_NODE", 0, `${place}/none/a`]);
      return true;
    });
  });

  it("refuses one of many transactions at a time without harm to the others, and says which step it was", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const outcomes = await Promise.allSettled([
      session.multi([create(`${place}/a`)]),
      session.multi([create(`${place}/b`), create(`${place}/none/c`)]),
      session.multi([create(`${place}/d`)]),
      // Only the first of two that want the same can have it.
      session.multi([create(`${place}/d`)]),
    ]);
    const told = outcomes.map((outcome) => {
      if (outcome.status === "fulfilled") return outcome.value;
      const { code, index } = outcome.reason;
      return { code, index };
    });
    assert.deepEqual(told, [
      [{ kind: "create", path: `${place}/a` }],
      { code: "NO_NODE", index: 1 },
      [{ kind: "create", path: `${place}/d` }],
      { code: "NODE_EXISTS", index: 0 },
    ]);
    assert.deepEqual((await session.children(place)).sort(), ["a", "d"]);
  });

  it("makes a call after the transactions that were asked for before it", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const before = [session.multi([create(`${place}/a`)]), session.multi([create(`${place}/b`)])];
    const children = session.children(place);
    const after = session.multi([create(`${place}/c`)]);
    assert.deepEqual((await children).sort(), ["a", "b"]);
    await Promise.all([...before, after]);
  });

  it("takes transactions at a time that together are larger than one may be", async () => {
    const session = await fixture.session();
    const place = await fixture.place(session);
    const names = ["a", "b", "c", "d", "e"];
    const data = new Uint8Array(300_000);
    await Promise.all(
      names.map((name) =>
        session.multi([{ kind: "create", path: `${place}/${name}`, data, mode: "persistent" }]),
      ),
    );
    assert.deepEqual((await session.children(place)).sort(), names);
  });
}
