import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { CallContext } from "nice-grpc-common";
import type { CallEnd } from "../../lib/rpc/call_limit.ts";
import { type Answers, nodepool } from "./harness_test.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-plan-"));
const file = join(folder, "new.yaml");
writeFileSync(file, "labels: []\n");
after(() => rmSync(folder, { recursive: true }));

/** Builder and launcher are one server here, so both answer the same. */
function answering(kind: string, destructive: boolean, seen: string[] = []): Answers {
  return {
    config: {
      planConfig: async ({ text }) => {
        seen.push(text);
        return { changes: [{ kind, subject: "ubuntu", reason: "so", destructive }], problems: [] };
      },
    },
  };
}

test("the text of the new file is sent to both daemons, and what both foresee is shown once", async () => {
  const seen: string[] = [];
  const { code, stdout } = await nodepool(answering("build", false, seen), ["plan", "-c", file]);
  assert.deepEqual([code, seen], [0, ["labels: []\n", "labels: []\n"]]);
  assert.equal(stdout, "  build ubuntu: so\n1 changes, 0 of them take something away (!)\n");
});

test("what takes something away has an exit code of its own", async () => {
  const { code, stdout } = await nodepool(answering("delete-build", true), ["plan", "-c", file]);
  assert.equal(code, 3);
  assert.match(stdout, /^! delete-build ubuntu: so$/m);
});

test("no name in a file steers the terminal", async () => {
  const { stdout } = await nodepool(answering("build\u001b[2J", false), ["plan", "-c", file]);
  assert.match(stdout, /^ {2}build \[2J ubuntu: so$/m);
});

test("nothing is said to change nothing", async () => {
  const config: Answers["config"] = { planConfig: async () => ({ changes: [], problems: [] }) };
  const { code, stdout } = await nodepool({ config }, ["plan", "-c", file]);
  assert.deepEqual([code, stdout], [0, "Nothing would change.\n"]);
});

test("a file that could not come into force is explained, by the name that it has here", async () => {
  const config: Answers["config"] = {
    planConfig: async () => ({
      changes: [],
      problems: ["text:1:1: x: must be a list", "secure_text: y: must be a map", "texts: z: is another file"],
    }),
  };
  const { code, stderr } = await nodepool({ config }, ["plan", "-c", file, "-s", file]);
  assert.deepEqual(
    [code, stderr.split("\n").filter(Boolean)],
    [
      1,
      [
        `nodepool: ${file}:1:1: x: must be a list`,
        `nodepool: ${file}: y: must be a map`,
        "nodepool: texts: z: is another file",
      ],
    ],
  );
});

test("config-reload shows what is in force at each daemon, and fails when a file is not", async () => {
  const state = { file: "/etc/n.yaml", hash: "abcdef0123456789", generation: 2n, pendingKeys: [] };
  const config = (problems: string[]): Answers["config"] => ({
    reloadConfig: async () => ({ config: { ...state, problems }, changed: false }),
  });
  const good = await nodepool({ config: config([]) }, ["config-reload"]);
  assert.equal(good.code, 0);
  assert.match(good.stdout, /\| launcher \| \/etc\/n\.yaml \| 2 +\| abcdef012345 \|/);
  const bad = await nodepool({ config: config(["line 1 is wrong"]) }, ["config-reload"]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /^nodepool: builder: line 1 is wrong$/m);
});

test("config-reload shows the daemon that answers, and names the one that does not", async () => {
  const state = {
    file: "/etc/n.yaml",
    hash: "abcdef0123456789",
    generation: 2n,
    pendingKeys: [],
    problems: [],
  };
  const config: Answers["config"] = { reloadConfig: async () => ({ config: state, changed: true }) };
  const words = ["--builder-address", "127.0.0.1:1", "config-reload"];
  const { code, stdout, stderr } = await nodepool({ config }, words);
  assert.equal(code, 69);
  assert.match(stdout, /\| launcher \| \/etc\/n\.yaml \| 2 +\| abcdef012345 \|/);
  assert.match(stderr, /^nodepool: cannot reach the builder at 127\.0\.0\.1:1/);
});

test("config-reload waits for a daemon that has to try a provider which does not answer", async () => {
  const given: number[] = [];
  const config: Answers["config"] = {
    reloadConfig: async (_request, context) => {
      const { deadline } = context as CallContext & CallEnd;
      // What is on its way for a while has less left than it was given: it was begun in between.
      given.push((deadline - before) / 1000);
      assert.ok(deadline - Date.now() <= 90_000);
      return { config: {} };
    },
  };
  const before = Date.now();
  const { code, stderr } = await nodepool({ config }, ["config-reload"]);
  assert.equal(code, 0, stderr);
  assert.ok(given.length === 2 && given.every((seconds) => seconds >= 90), `${given} s`);
});
