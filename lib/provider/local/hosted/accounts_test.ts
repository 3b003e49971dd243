import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { temporaryDirectory } from "../../../../test/harness/local_provider.ts";
import { generateSshKey } from "../../ssh_keys.ts";
import { authorizedKeys, findAccount } from "./accounts.ts";

describe("the accounts of an image", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  const zuul = { name: "zuul", uid: 1000, gid: 1000, home: "/home/zuul", shell: "/bin/bash" };

  before(async () => {
    directory = await temporaryDirectory();
    await mkdir(join(directory.path, "etc"));
    await mkdir(join(directory.path, "home/zuul/.ssh"), { recursive: true });
    const lines = [
      "root:x:0:0:root:/root:",
      "broken:x:abc:0::/:/bin/sh",
      "zuul:x:1000:1000:Zuul:/home/zuul:/bin/bash",
    ];
    await writeFile(join(directory.path, "etc/passwd"), lines.join("\n"));
  });
  after(() => directory.remove());

  test("are those of its etc/passwd", async () => {
    assert.deepEqual(await findAccount(directory.path, "zuul"), zuul);
    assert.equal(await findAccount(directory.path, "broken"), null);
    assert.equal(await findAccount(directory.path, "nobody"), null);
  });

  test("have a shell and a home in any case", async () => {
    assert.deepEqual(await findAccount(directory.path, "root"), {
      name: "root",
      uid: 0,
      gid: 0,
      home: "/",
      shell: "/bin/sh",
    });
  });

  test("let in the plain keys of authorized_keys, and nothing else", async () => {
    assert.deepEqual(await authorizedKeys(directory.path, zuul), []);
    const [first, second] = [await generateSshKey("ed25519"), await generateSshKey("rsa")];
    const lines = [
      "# a comment",
      `${first.publicKey} someone@somewhere`,
      "",
      `restrict ${second.publicKey}`,
      "ssh-ed25519 not-a-key",
      `  ${second.publicKey}`,
    ];
    await writeFile(join(directory.path, "home/zuul/.ssh/authorized_keys"), lines.join("\r\n"));
    const keys = await authorizedKeys(directory.path, zuul);
    const found = keys.map((key) => `${key.type} ${key.getPublicSSH().toString("base64")}`);
    assert.deepEqual(found, [first.publicKey.trim(), second.publicKey.trim()]);
  });
});
