import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answers, nodepool, serve, start } from "./harness_test.ts";

const asked: string[] = [];
const providers: Answers["providers"] = {
  eraseProviderData: async ({ name }) => {
    asked.push(name);
    return { erasedNodes: 2, erasedUploads: 3, kept: name.endsWith("busy") ? ["nodes/0000000007"] : [] };
  },
};

test("erase asks first, and takes anything but yes for no", async () => {
  const answered = async (...typed: string[]) => {
    const run = start(await serve({ providers }), ["erase", "old-cloud"], {}, typed);
    return { code: await run.code, stderr: run.stderr };
  };
  for (const typed of [[], ["\n"], ["n\n"], ["old-cloud\n"]]) {
    const { code, stderr } = await answered(...typed);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^Erase ZooKeeper data for provider old-cloud\? \[N\/y\] \nnodepool: nothing was erased/,
    );
  }
  assert.deepEqual(asked, []);
  const { code, stderr } = await answered("y\n");
  assert.equal(code, 0);
  assert.match(stderr, /erased the records of 2 nodes and 3 uploads\n$/);
  assert.deepEqual(asked.splice(0), ["providers/old-cloud"]);
});

test("erase --force does not ask, and fails when something was kept, with its name", async () => {
  const { code, stderr } = await nodepool({ providers }, ["erase", "--force", "busy"]);
  assert.equal(code, 1);
  assert.match(stderr, /nodes\/0000000007 is locked: its record was kept/);
});
