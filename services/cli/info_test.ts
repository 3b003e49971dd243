import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answers, nodepool } from "./harness_test.ts";

test("info of a provider without records is empty tables where a launcher serves it, and else refused", async () => {
  const components: Answers["components"] = {
    listComponents: async () => ({ components: [{ kind: "launcher" }, { provider: "providers/new" }] }),
  };
  const none: Answers = { nodes: { listNodes: async () => ({}) }, images: { listUploads: async () => ({}) } };
  const info = (provider: string) => nodepool({ components, ...none }, ["info", provider]);
  assert.equal((await info("new")).code, 0);
  for (const name of ["nope", ""]) {
    assert.deepEqual(await info(name), {
      code: 1,
      stdout: "",
      stderr: `nodepool: nothing is recorded of provider '${name}', and no launcher serves it\n`,
    });
  }
});
