// What whoever logs in to an instance finds there.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client } from "ssh2";
import { connect, digest, pattern, runRemote, throughSftp } from "../../../test/harness/ssh_client.ts";
import type { Instance } from "../contract.ts";
import { generateSshKey } from "../ssh_keys.ts";
import type { Place } from "./place.ts";

/** Declares the tests that log in over SSH. */
export function testLogin(place: Place): void {
  const login = (instance: Instance) => connect(instance, place.under.username, place.under.privateKey);

  test("instances go on when their image is deleted", async () => {
    const own = await place.provider.uploadImage(place.imageSpec("0000000007"), place.signal());
    const instance = await place.create(place.instanceSpec({ imageExternalId: own }));
    await place.provider.deleteImage(own, place.signal());
    const client = await login(instance);
    assert.equal((await runRemote(client, "cat /etc/image-mark")).stdout.toString(), place.under.image.mark);
    client.end();
    await place.remove(instance);
  });

  test("nobody can log in to a deleted instance", async () => {
    const instance = await place.create(place.instanceSpec());
    await place.remove(instance);
    await assert.rejects(connect(instance, place.under.username, place.under.privateKey, 1));
  });

  describe("over SSH", () => {
    let instance: Instance;
    let client: Client;
    before(async () => {
      instance = await place.create(place.instanceSpec());
      client = await login(instance);
    });
    after(async () => {
      client.end();
      await place.remove(instance);
    });

    test("a command runs in the image as the image's user", async () => {
      const result = await runRemote(client, "cat /etc/image-mark; id -un; pwd");
      const lines = result.stdout.toString().trim().split("\n");
      assert.deepEqual(lines, [
        place.under.image.mark.trim(),
        place.under.username,
        `/home/${place.under.username}`,
      ]);
      assert.equal(result.code, 0);
    });

    test("exit code and stderr of a command come back", async () => {
      const result = await runRemote(client, "echo out; echo err >&2; exit 7");
      assert.equal(result.code, 7);
      assert.equal(result.stdout.toString(), "out\n");
      assert.equal(result.stderr, "err\n");
    });

    test("a megabyte passes through stdin and stdout unchanged", async () => {
      const input = pattern(1024 * 1024);
      const result = await runRemote(client, "cat", { input });
      assert.equal(result.stdout.length, input.length);
      assert.equal(digest(result.stdout), digest(input));
    });

    test("a command on a terminal has one of the wanted size", async () => {
      const pty = { term: "xterm", rows: 33, cols: 111 };
      const result = await runRemote(client, "test -t 0 && test -t 1 && stty size && echo $TERM", { pty });
      assert.match(result.stdout.toString(), /33 111\r\nxterm\r\n/);
      assert.equal(result.code, 0);
    });

    test("what a command writes is there for the next one", async () => {
      await runRemote(client, "echo kept > /tmp/note");
      assert.equal((await runRemote(client, "cat /tmp/note")).stdout.toString(), "kept\n");
    });

    test("a file travels both ways over SFTP", async () => {
      const content = pattern(300_000);
      const path = `/home/${place.under.username}/sftp-file`;
      const returned = await throughSftp(client, path, content);
      assert.equal(digest(returned), digest(content));
      const seen = await runRemote(client, `wc -c < ${path}`);
      assert.equal(seen.stdout.toString().trim(), "300000");
    });

    test("a key that the image does not have is refused", async () => {
      const stranger = (await generateSshKey("ed25519")).privateKey;
      await assert.rejects(connect(instance, place.under.username, stranger, 1), /authentication/i);
    });
  });
}
