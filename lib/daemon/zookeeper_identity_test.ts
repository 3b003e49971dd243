import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readIdentities } from "./zookeeper_identity.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-identity-"));
after(() => rmSync(folder, { recursive: true }));

function written(content: string): Record<string, string> {
  const file = join(folder, "auth");
  writeFileSync(file, content);
  return { NODEPOOL_ZOOKEEPER_AUTH_FILE: file };
}

test("nobody is who the environment names no file for", async () => {
  assert.deepEqual(await readIdentities({}), []);
  assert.deepEqual(await readIdentities({ NODEPOOL_ZOOKEEPER_AUTH_FILE: "" }), []);
});

test("the file holds user and password; a password may have colons", async () => {
  assert.deepEqual(await readIdentities(written("nodepool:se:cret\n")), [
    { scheme: "digest", credentials: "nodepool:se:cret" },
  ]);
});

test("a file of another form is named, without what it holds", async () => {
  for (const content of ["", "hidden", "a:\n", "hidden:a\nhidden:b"]) {
    await assert.rejects(readIdentities(written(content)), (error: Error) => {
      assert.match(error.message, /auth.*NODEPOOL_ZOOKEEPER_AUTH_FILE.*USER:PASSWORD/);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    });
  }
});

test("a file that cannot be read is named", async () => {
  const env = { NODEPOOL_ZOOKEEPER_AUTH_FILE: join(folder, "none") };
  await assert.rejects(readIdentities(env), /none.*does not exist; .* with NODEPOOL_ZOOKEEPER_AUTH_FILE$/);
});
