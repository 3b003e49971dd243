// nodepool release.
import assert from "node:assert/strict";
import { test } from "node:test";
import { failedPrecondition, invalidArgument, unavailable } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool } from "./harness_test.ts";

test("a request that is refused keeps none of those behind it, and each refusal is told", async () => {
  const released: string[] = [];
  const requests: Answers["requests"] = {
    releaseRequest: async ({ name = "" }) => {
      if (name.endsWith("zuul")) throw failedPrecondition("NO_LEASE", "it has no lease");
      if (name.endsWith("/b")) throw invalidArgument("name", "is no request");
      released.push(name);
      return {};
    },
  };
  const { code, stderr } = await nodepool({ requests }, ["release", "zuul", "a/b", "200-0000000009"]);
  assert.deepEqual(released, ["nodeRequests/200-0000000009"]);
  assert.deepEqual(stderr.split("\n").sort(), [
    "",
    "nodepool: it has no lease",
    "nodepool: name: is no request",
  ]);
  assert.equal(code, 1);
});

/** A launcher at which this node is gone at the last of so many calls; what each of them was asked for. */
function leaving(calls: number) {
  const asked: (bigint | undefined)[] = [];
  const requests: Answers["requests"] = {
    releaseRequest: async ({ waitDuration }) => {
      asked.push(waitDuration?.seconds);
      if (asked.length === 2) throw unavailable("DRAINING", "going", 1);
      return { nodes: asked.length < calls ? ["nodes/0000000007"] : [] };
    },
  };
  return { asked, requests };
}

test("--wait waits until the nodes are gone, through the restart of a launcher", async () => {
  const { asked, requests } = leaving(5);
  const { code } = await nodepool({ requests }, ["release", "200-0000000009", "--wait", "1m"]);
  assert.deepEqual([code, asked.length, asked[0]], [0, 5, undefined]);
  assert.ok(
    asked.slice(1).every((seconds) => seconds === 60n || seconds === 59n),
    `${asked}`,
  );
});

test("--wait ends with the time, and names the nodes that are left", async () => {
  const { requests } = leaving(Number.POSITIVE_INFINITY);
  const { code, stderr } = await nodepool({ requests }, ["release", "200-0000000009", "--wait", "1s"]);
  assert.equal(code, 1);
  assert.match(stderr, /not gone within 1 s: 0000000007/);
});

test("--wait waits for those that were released, and what was refused is told too", async () => {
  const requests: Answers["requests"] = {
    releaseRequest: async ({ name = "" }) => {
      if (name.endsWith("zuul")) throw failedPrecondition("NO_LEASE", "it has no lease");
      return { nodes: ["nodes/0000000007"] };
    },
  };
  const words = ["release", "zuul", "200-0000000009", "--wait", "1s"];
  const { code, stderr } = await nodepool({ requests }, words);
  assert.equal(code, 1);
  assert.match(stderr, /not gone within 1 s: 0000000007.*it has no lease/s);
});

test("--wait ends with the time when no launcher answers, and says so", async () => {
  let calls = 0;
  const requests: Answers["requests"] = {
    releaseRequest: async () => {
      calls += 1;
      if (calls > 1) throw unavailable("DRAINING", "going", 1);
      return {};
    },
  };
  const { code, stderr } = await nodepool({ requests }, ["release", "200-0000000009", "--wait", "1s"]);
  assert.deepEqual([code, stderr], [69, "going: trying again\nnodepool: going\n"]);
});

test("a wait that no launcher grants is refused before anything is released", async () => {
  const { asked, requests } = leaving(1);
  const { code, stderr } = await nodepool({ requests }, ["release", "200-0000000009", "--wait", "2d"]);
  assert.equal(code, 2);
  assert.match(stderr, /--wait 2d: expected at most 1d/);
  assert.deepEqual(asked, []);
});
