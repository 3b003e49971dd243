import assert from "node:assert/strict";
import { test } from "node:test";
import ssh2 from "ssh2";
import { generateSshKey } from "./ssh_keys.ts";

test("every ed25519 key can be read back, also those whose public half begins with a zero byte", async () => {
  for (let round = 0; round < 1500; round += 1) {
    const { privateKey, publicKey } = await generateSshKey("ed25519");
    const parsed = ssh2.utils.parseKey(privateKey);
    assert.ok(!(parsed instanceof Error));
    assert.equal(parsed.getPublicSSH().toString("base64"), publicKey.split(" ")[1]);
  }
});

test("each type of key is of its type", async () => {
  for (const [type, name] of [
    ["ecdsa", "ecdsa-sha2-nistp256"],
    ["rsa", "ssh-rsa"],
  ] as const) {
    assert.equal((await generateSshKey(type)).publicKey.split(" ")[0], name);
  }
});
