// `npm run test:openstack` as a developer runs it who has mistyped a word.
import assert from "node:assert/strict";
import { it } from "node:test";
import { runCommand } from "../harness/program.ts";

it("npm run test:openstack refuses a word that no file has, before a cloud is brought up", async () => {
  // With this variable a cloud is taken for given, so that none is brought up in any case.
  const env = { NODEPOOL_TEST_OPENSTACK: "/nonexistent" };
  const { code, stderr } = await runCommand("node", ["tools/test_openstack.ts", "lfie"], { env });
  assert.equal(stderr, "no file's path below test/openstack/ contains lfie\n");
  assert.equal(code, 2);
});
