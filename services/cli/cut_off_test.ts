// A daemon that stops in order, or a connection that has reached its age, ends the streams of commands that watch: they
// go on at whoever answers next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { drainingError } from "../../lib/rpc/call_limit.ts";
import { unavailable } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool, serve, start, until } from "./harness_test.ts";

test("delete --now goes on watching after a launcher has stopped", async () => {
  let calls = 0;
  const nodes: Answers["nodes"] = {
    deleteNode: async ({ name }) => ({ node: { name, state: "STATE_DELETING" } }),
    watchNodes: async function* () {
      calls += 1;
      if (calls > 1) yield { event: { $case: "bookmark", value: { synced: true } } };
      else throw drainingError();
    },
  };
  const { code, stderr } = await nodepool({ nodes }, ["delete", "3", "--now"]);
  assert.deepEqual([code, calls], [0, 2]);
  assert.match(stderr, /^the server is shutting down.*: trying again\n$/);
});

test("an outage is said once, and again when a call was answered in between", async () => {
  const bookmark = (synced: boolean) => ({ event: { $case: "bookmark", value: { synced } } }) as const;
  const answers = ["down", "down", "down", "up", "down", "down", "gone"];
  const nodes: Answers["nodes"] = {
    deleteNode: async ({ name }) => ({ node: { name, state: "STATE_DELETING" } }),
    watchNodes: async function* () {
      const answer = answers.shift();
      if (answer !== "down") yield bookmark(answer === "gone");
      if (answer === "down") throw unavailable("DRAINING", "it is down", 1);
    },
  };
  const { stderr } = await nodepool({ nodes }, ["delete", "3", "--now"]);
  assert.equal(stderr, "it is down: trying again\nit is down: trying again\n");
});

test("build-log -f shows each line once, however often it is cut off", async () => {
  const log = ["one\n", "two\nthree\n", "four\n"];
  const cuts = [1, 2];
  const images: Answers["images"] = {
    watchBuildLog: async function* () {
      const cut = cuts.shift();
      // The pieces of a log are others each time; its text is the same.
      if (cut === undefined) yield { text: log.join("") };
      for (const text of cut === undefined ? [] : log.slice(0, cut)) yield { text };
      if (cut !== undefined) throw drainingError();
    },
  };
  const { code, stdout } = await nodepool({ images }, ["build-log", "-f", "debian-12-0000000007"]);
  assert.equal(code, 0);
  assert.equal(stdout, "one\ntwo\nthree\nfour\n");
});

test("build-log -f goes on when it is cut off before the build has said anything", async () => {
  let calls = 0;
  const images: Answers["images"] = {
    watchBuildLog: async function* () {
      calls += 1;
      yield { text: "" };
      if (calls === 1) throw drainingError();
      yield { text: "one\n" };
    },
  };
  const { code, stdout } = await nodepool({ images }, ["build-log", "-f", "debian-12-0000000007"]);
  assert.deepEqual([code, stdout], [0, "one\n"]);
});

test("build-log -f of a builder that never answered ends with 69, and Ctrl-C ends the waiting", async () => {
  const nobody = start("127.0.0.1:1", ["build-log", "-f", "debian-12-0000000007"]);
  assert.equal(await nobody.code, 69);
  const images: Answers["images"] = {
    watchBuildLog: async function* () {
      yield { text: "one\n" };
      throw drainingError();
    },
  };
  const run = start(await serve({ images }), ["build-log", "-f", "debian-12-0000000007"]);
  await until(() => run.stderr.includes("trying again"));
  run.signal("SIGINT");
  assert.equal(await run.code, 130);
});
