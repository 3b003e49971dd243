import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { abortable } from "../std/abortable.ts";
import { within } from "./contract/fixture.ts";
import { createLocks } from "./locks.ts";
import {
  type CreateMode,
  type Locks,
  type PreparedLock,
  type Session,
  type SessionState,
  ZooKeeperError,
  type ZooKeeperErrorCode,
} from "./types.ts";

const ROOT = "/nodepool/nodes/0000000001/lock";

/** A lock root in memory whose answers can be lost. */
class Line {
  readonly contenders: string[] = [];
  readonly deletions: string[] = [];
  /** Fails the next call of this kind, after doing it when `done`. */
  fault: { on: "create" | "delete" | "children"; done: boolean; code?: ZooKeeperErrorCode } | undefined;
  /** What is still on its way through a server that is gone: it is carried out before the next write. */
  onWrite = () => {};
  /** Whether there is no connection. */
  isAway = false;
  readonly #controller = new AbortController();
  #listener: (state: SessionState) => void = () => {};
  #sequence = 0;

  get session(): Session {
    const partial: Partial<Session> = {
      signal: this.#controller.signal,
      onState: (listener) => {
        this.#listener = listener;
        return () => {};
      },
      connected: async (signal) => {
        if (this.isAway) await abortable(new Promise(() => {}), signal ?? new AbortController().signal);
      },
      multi: async () => {
        this.onWrite();
        this.onWrite = () => {};
        return [];
      },
      children: () => this.#faulty("children", () => [...this.contenders]),
      create: (path: string, _data: Uint8Array, _mode: CreateMode) =>
        this.#faulty("create", () => {
          const name = `${path.slice(ROOT.length + 1)}${String(this.#sequence).padStart(10, "0")}`;
          this.#sequence += 1;
          this.contenders.push(name);
          return `${ROOT}/${name}`;
        }),
      delete: (path: string) =>
        this.#faulty("delete", () => {
          const place = this.contenders.indexOf(path.slice(ROOT.length + 1));
          if (place < 0) throw new ZooKeeperError("NO_NODE", "gone before", path);
          this.deletions.push(...this.contenders.splice(place, 1));
        }),
    };
    return partial as Session;
  }

  lose(): void {
    this.#controller.abort(new ZooKeeperError("SESSION_EXPIRED", "lost"));
    this.#listener("lost");
  }

  async #faulty<T>(kind: "create" | "delete" | "children", act: () => T): Promise<T> {
    const fault = this.fault?.on === kind ? this.fault : undefined;
    if (fault === undefined) return act();
    this.fault = undefined;
    if (fault.done) act();
    throw new ZooKeeperError(fault.code ?? "CONNECTION_LOSS", "the answer was lost");
  }
}

describe("locks when answers are lost", () => {
  let line: Line;
  beforeEach(() => {
    line = new Line();
  });
  afterEach(() => {
    line.lose();
  });

  it("finds its contender when only the answer to its creation was lost", async () => {
    line.fault = { on: "create", done: true };
    const lock = await createLocks(line.session).acquire(ROOT);
    assert.equal(lock?.contender, `${ROOT}/${line.contenders[0]}`);
    assert.equal(line.contenders.length, 1);
  });

  it("finds its contender also when the server that it was sent to is gone and another carries it out later", async () => {
    const { create } = line.session;
    const late = {
      ...line.session,
      create: async (...of: Parameters<typeof create>) => {
        line.onWrite = () => void create(...of);
        throw new ZooKeeperError("CONNECTION_LOSS", "the answer was lost");
      },
    };
    const lock = await createLocks(late).acquire(ROOT);
    assert.deepEqual(line.contenders, [lock?.contender.slice(ROOT.length + 1)]);
  });

  it("passes the error on when the contender was not created", async () => {
    line.fault = { on: "create", done: false };
    await assert.rejects(createLocks(line.session).acquire(ROOT), /CONNECTION_LOSS/);
    assert.deepEqual(line.contenders, []);
  });

  it("repeats a release until it is certain, whether or not the first attempt was done", async () => {
    for (const done of [true, false]) {
      const lock = await createLocks(line.session).acquire(ROOT);
      assert.ok(lock);
      line.fault = { on: "delete", done };
      await within(1000, lock.release(), "the release");
      assert.deepEqual(line.contenders, []);
    }
  });

  it("reads its place in line again when the answer was lost", async () => {
    const locks = createLocks(line.session);
    const creating = locks.acquire(ROOT);
    // The first listing, before the creation, has been asked for already; the fault hits the second.
    line.fault = { on: "children", done: true };
    const lock = await creating;
    assert.ok(lock);
    assert.equal(line.contenders.length, 1);
  });

  it("aborts the signals of all its locks when the session is lost, and deletes nothing any more", async () => {
    const lock = await createLocks(line.session).acquire(ROOT);
    assert.ok(lock);
    line.lose();
    assert.ok(lock.signal.aborted);
    assert.match(String(lock.signal.reason), /SESSION_EXPIRED/);
    await within(1000, lock.release(), "the release");
    assert.deepEqual(line.deletions, []);
  });

  it("hands out a dead lock when the session was lost between commit and answer", async () => {
    const locks = createLocks(line.session);
    const { held } = locks.prepare(ROOT);
    line.lose();
    assert.throws(() => held([{ kind: "create", path: "/other" }]), /BAD_ARGUMENTS/);
    const prepared = locks.prepare(ROOT);
    const [, contender] = prepared.operations;
    const lock = prepared.held([{ kind: "create", path: `${contender?.path}0000000000` }]);
    assert.ok(lock.signal.aborted);
  });

  const OTHER = `${"0".repeat(32)}__lock__0000000007`;
  /** A lock whose transaction was committed without an answer, behind somebody else's contender. */
  const unanswered = (prepare: (locks: Locks) => PreparedLock): PreparedLock => {
    const prepared = prepare(createLocks(line.session));
    const own = prepared.operations.at(-1)?.path.slice(ROOT.length + 1) ?? "";
    line.contenders.push(OTHER, `${own}${own.endsWith("__") ? "0000000008" : ""}`);
    return prepared;
  };

  it("takes a contender back whose transaction was not answered, whatever else is not answered", async () => {
    for (const on of ["children", "delete"] as const) {
      for (const done of [true, false]) {
        line.contenders.length = 0;
        const prepared = unanswered((locks) => (done ? locks.prepare(ROOT) : locks.succeed(ROOT, "heir")));
        line.fault = { on, done };
        await within(1000, prepared.withdraw(), "the withdrawal");
        assert.deepEqual(line.contenders, [OTHER], `${on} ${done}`);
        assert.equal(line.fault, undefined);
      }
    }
  });

  it("takes a contender back that the servers create only when nobody waits for it any more", async () => {
    const prepared = createLocks(line.session).prepare(ROOT);
    const own = prepared.operations.at(-1)?.path.slice(ROOT.length + 1) ?? "";
    line.onWrite = () => line.contenders.push(`${own}0000000008`);
    await within(1000, prepared.withdraw(), "the withdrawal");
    assert.deepEqual([line.contenders, line.deletions], [[], [`${own}0000000008`]]);
  });

  it("takes nothing back of a transaction that was not committed, nor of a session that was lost", async () => {
    line.contenders.push(OTHER);
    await within(1000, createLocks(line.session).prepare(ROOT).withdraw(), "the withdrawal");
    const prepared = unanswered((locks) => locks.prepare(ROOT));
    line.lose();
    await within(1000, prepared.withdraw(), "the withdrawal");
    assert.deepEqual(line.deletions, []);
  });

  it("waits no longer for a connection than the session lives that a contender would go with", async () => {
    const prepared = unanswered((locks) => locks.prepare(ROOT));
    line.isAway = true;
    const ended = prepared.withdraw();
    line.lose();
    await within(1000, ended, "the withdrawal");
  });

  it("tells when a contender cannot be taken back", async () => {
    for (const on of ["children", "delete"] as const) {
      const prepared = unanswered((locks) => locks.prepare(ROOT));
      line.fault = { on, done: false, code: "NO_AUTH" };
      await assert.rejects(within(1000, prepared.withdraw(), "the withdrawal"), /NO_AUTH/);
    }
  });
});
