import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TransactionGroups } from "./transaction_groups.ts";
import { type Operation, type OperationResult, TransactionError, ZooKeeperError } from "./types.ts";

const deletion = (path: string): Operation => ({ kind: "delete", path, version: -1 });
const paths = (operations: readonly Operation[]) => operations.map(({ path }) => path).join(" ");

/** Groups whose transactions are answered by `answer`, and what was sent. */
function opened(answer: (sent: string) => Error | null, delay: Promise<void> = Promise.resolve()) {
  const sent: string[] = [];
  let session = new AbortController();
  const send = async (operations: readonly Operation[]) => {
    const words = paths(operations);
    sent.push(words);
    await delay;
    const error = answer(words);
    if (error !== null) throw error;
    return operations.map((): OperationResult => ({ kind: "delete" }));
  };
  const groups = new TransactionGroups(send, () => session.signal);
  const loseSession = (error: Error) => {
    session.abort(error);
    session = new AbortController();
  };
  return { groups, sent, loseSession };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const outcomesOf = async (commits: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(commits)).map((one) => (one.status === "rejected" ? one.reason : "done"));

describe("transactions that are asked for in one turn", () => {
  it("are sent as one, in their order", async () => {
    const { groups, sent } = opened(() => null);
    await Promise.all([groups.commit([deletion("/a"), deletion("/b")]), groups.commit([deletion("/c")])]);
    assert.deepEqual(sent, ["/a /b /c"]);
  });

  it("are sent one by one in their order when they are refused together", async () => {
    const refusal = (sent: string) =>
      sent.includes("/b") ? new TransactionError("NO_NODE", sent.indexOf("/b"), deletion("/b")) : null;
    const { groups, sent } = opened(refusal);
    const [first, second, third] = await outcomesOf([
      groups.commit([deletion("/a")]),
      groups.commit([deletion("/b")]),
      groups.commit([deletion("/c")]),
    ]);
    assert.deepEqual(sent, ["/a /b /c", "/a", "/b", "/c"]);
    assert.deepEqual([first, second.index, third], ["done", 0, "done"]);
  });

  it("each hear their own refusal when the server's disk is full", async () => {
    const { groups } = opened((words) => new TransactionError("SYSTEM_ERROR", 0, deletion(words)));
    const outcomes = await outcomesOf([groups.commit([deletion("/a")]), groups.commit([deletion("/b")])]);
    assert.deepEqual(
      outcomes.map(({ path }) => path),
      ["/a", "/b"],
    );
  });

  describe("of which one only creates something", () => {
    const creation = (path: string): Operation => {
      return { kind: "create", path, data: new Uint8Array(), mode: "persistent" };
    };
    const set: Operation = { kind: "set", path: "/set", data: new Uint8Array(), version: -1 };

    it("are sent as one when something is set: the answer tells what was created, too", async () => {
      const { groups, sent } = opened(() => null);
      await Promise.all([[creation("/a")], [set], [creation("/b")]].map((steps) => groups.commit(steps)));
      assert.deepEqual(sent, ["/a /set /b"]);
    });

    it("are sent one by one when nothing is set", async () => {
      const { groups, sent } = opened(() => null);
      await Promise.all([[creation("/a")], [deletion("/b")]].map((steps) => groups.commit(steps)));
      assert.deepEqual(sent, ["/a", "/b"]);
    });
  });

  for (const code of ["CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_EXPIRED"] as const) {
    it(`are not sent again when it is not known what became of them: ${code}`, async () => {
      const lost = new ZooKeeperError(code, "no answer");
      const { groups, sent } = opened(() => lost);
      const outcomes = await outcomesOf([groups.commit([deletion("/a")]), groups.commit([deletion("/b")])]);
      assert.deepEqual([sent, outcomes], [["/a /b"], [lost, lost]]);
    });
  }

  it("are not made in the next session when theirs ends while they wait", async () => {
    const lost = new ZooKeeperError("SESSION_EXPIRED", "the session was lost");
    const { promise, resolve } = Promise.withResolvers<void>();
    const answers: (Error | null)[] = [lost, lost];
    const { groups, sent, loseSession } = opened(() => answers.shift() ?? null, promise);
    const commits: Promise<unknown>[] = [];
    for (const path of ["/a", "/b", "/c"]) {
      commits.push(groups.commit([deletion(path)]));
      await turn();
    }
    assert.deepEqual(sent, ["/a", "/b"]);
    loseSession(lost);
    resolve();
    commits.push(groups.commit([deletion("/d")]));
    assert.deepEqual(await outcomesOf(commits), [lost, lost, lost, "done"]);
    assert.deepEqual(sent, ["/a", "/b", "/d"]);
  });

  it("are not made one by one in the next session when they are refused together as theirs ends", async () => {
    const lost = new ZooKeeperError("SESSION_EXPIRED", "the session was lost");
    const { groups, sent, loseSession } = opened((words) => {
      loseSession(lost);
      return new TransactionError("NO_NODE", 0, deletion(words));
    });
    const outcomes = await outcomesOf([groups.commit([deletion("/a")]), groups.commit([deletion("/b")])]);
    assert.deepEqual([sent, outcomes], [["/a /b"], [lost, lost]]);
  });

  it("travel in groups that ZooKeeper takes", async () => {
    const { groups, sent } = opened(() => null);
    const large = (path: string): Operation => ({
      kind: "set",
      path,
      data: new Uint8Array(100_000),
      version: -1,
    });
    const larger = ["/a", "/b", "/c", "/d"].map((path) => groups.commit([large(path)]));
    const small = Array.from({ length: 40 }, () => groups.commit([deletion("/e")]));
    await Promise.all([...larger, ...small]);
    const sizes = sent.map((words) => words.split(" ").length);
    assert.deepEqual(sizes, [2, 32, 10]);
  });

  it("wait while two groups are on their way, and are sent as one when one of these is answered", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { groups, sent } = opened(() => null, promise);
    const commits: Promise<unknown>[] = [];
    for (const path of ["/a", "/b", "/c", "/d"]) {
      commits.push(groups.commit([deletion(path)]));
      await turn();
    }
    assert.deepEqual(sent, ["/a", "/b"]);
    resolve();
    await Promise.all(commits);
    assert.deepEqual(sent, ["/a", "/b", "/c /d"]);
  });

  it("wait for no group that was refused", async () => {
    const { groups, sent } = opened((words) =>
      words === "/a" ? new ZooKeeperError("NO_NODE", words) : null,
    );
    const commits: Promise<unknown>[] = [];
    for (const path of ["/a", "/a", "/a", "/b"]) {
      commits.push(groups.commit([deletion(path)]).catch(() => "refused"));
      await turn();
    }
    assert.deepEqual(await Promise.all(commits), ["refused", "refused", "refused", [{ kind: "delete" }]]);
    assert.deepEqual(sent, ["/a", "/a", "/a", "/b"]);
  });

  it("are sent before a call that comes after them", async () => {
    const { groups, sent } = opened(() => null);
    const commit = groups.commit([deletion("/a")]);
    groups.flush();
    assert.deepEqual(sent, ["/a"]);
    await commit;
  });
});
