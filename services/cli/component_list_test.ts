import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answers, ago, nodepool } from "./harness_test.ts";

const blank = {
  hostname: "one",
  state: "running",
  version: "1.0",
  configHash: "",
  configGeneration: 0n,
  provider: "",
  pool: "",
  labels: [],
  createTime: ago(60),
};
const launcher = (component: string, configHash: string) => ({
  ...blank,
  name: `components/launcher/${component}`,
  kind: "launcher",
  configHash,
  configGeneration: configHash === "" ? 0n : 3n,
});
const pool = {
  ...blank,
  name: "components/pool/one0000000001",
  kind: "pool",
  provider: "providers/cloud",
  pool: "main",
  labels: ["small", "large"],
};

const answering = (...components: (typeof pool)[]): Answers => ({
  components: { listComponents: async () => ({ components }) },
});

test("component-list shows each daemon with its configuration, and each pool with its labels", async () => {
  const { code, stdout, stderr } = await nodepool(
    answering(launcher("one0000000000", "abcdef0123456789"), pool),
    ["component-list"],
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /\| launcher \| one +\| running \| 1\.0 +\| abcdef012345 \| 3 +\| +\| +\|/);
  assert.match(stdout, /\| pool +\| one +\| running \| 1\.0 +\| +\| +\| cloud\/main \| small,large \|/);
});

test("component-list says when not all run with the same configuration, and counts no daemon of another make", async () => {
  const same = [launcher("a0000000000", "aa"), launcher("b0000000000", "aa"), launcher("c0000000000", "")];
  assert.equal((await nodepool(answering(...same), ["component-list"])).stderr, "");
  const { stderr } = await nodepool(answering(...same, launcher("d0000000000", "bb")), ["component-list"]);
  assert.equal(stderr, "nodepool: the daemons run with 2 different configurations\n");
});
