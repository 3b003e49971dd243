// What every provider must do, as tests. A driver's own test calls {@link testProvider} with the most real place
// that it can have; login tests run over SSH against the instances that the provider makes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client } from "ssh2";
import { connect, digest, pattern, runRemote, throughSftp } from "../../test/harness/ssh_client.ts";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  METADATA,
  NotFoundError,
  type Provider,
  ProviderError,
} from "./contract.ts";
import { generateSshKey } from "./ssh_keys.ts";

/** A place to test against. */
export interface ProviderUnderTest {
  /** Started; with the pool "main" and the label "small". */
  readonly provider: Provider;
  /** A root file system with the user and an SSH server, and what it says in /etc/image-mark. */
  readonly image: { readonly path: string; readonly format: string; readonly mark: string };
  readonly username: string;
  /** A private key that the image lets in, in OpenSSH's format. */
  readonly privateKey: string;
  /** What has to be cleaned up when all tests are done. */
  close(): Promise<void>;
}

/**
 * Declares the contract's tests.
 * @param skip why they cannot run here; null to run them
 */
export function testProvider(
  name: string,
  open: () => Promise<ProviderUnderTest>,
  skip: string | null,
): void {
  describe(`${name} keeps the provider contract`, { skip: skip ?? false }, () => {
    let place: ProviderUnderTest;
    let image: string;
    let launches = 0;
    const signal = () => AbortSignal.timeout(60_000);

    const imageSpec = (build: string): ImageSpec => ({
      name: `img-${build}`,
      path: place.image.path,
      format: place.image.format,
      md5: null,
      sha256: null,
      metadata: {
        [METADATA.provider]: place.provider.name,
        [METADATA.image]: "img",
        [METADATA.build]: build,
        [METADATA.upload]: "0000000001",
      },
    });
    const instanceSpec = (changes: Partial<InstanceSpec> = {}): InstanceSpec => {
      launches += 1;
      const node = `${launches}`.padStart(10, "0");
      return {
        name: `np${node}`,
        pool: "main",
        label: "small",
        imageExternalId: image,
        username: place.username,
        az: null,
        request: null,
        metadata: {
          [METADATA.provider]: place.provider.name,
          [METADATA.pool]: "main",
          [METADATA.node]: node,
          [METADATA.image]: "img",
          [METADATA.launchToken]: `token-${launches}`,
        },
        ...changes,
      };
    };
    const create = (spec: InstanceSpec) => place.provider.createInstance(spec, async () => {}, signal());
    const remove = (instance: Instance) => place.provider.deleteInstance(instance.externalId, signal());
    const login = (instance: Instance) => connect(instance, place.username, place.privateKey);

    before(async () => {
      place = await open();
      image = await place.provider.uploadImage(imageSpec("0000000001"), signal());
    });
    after(async () => {
      for (const instance of await place.provider.listInstances(signal())) await remove(instance);
      for (const { externalId } of await place.provider.listImages(signal())) {
        await place.provider.deleteImage(externalId, signal());
      }
      await place.close();
    });

    test("it says how it runs nodes", () => {
      assert.notEqual(place.provider.describe().summary, "");
    });

    test("an uploaded image is listed with its metadata until it is deleted", async () => {
      const spec = imageSpec("0000000002");
      const id = await place.provider.uploadImage(spec, signal());
      const listed = (await place.provider.listImages(signal())).find(({ externalId }) => externalId === id);
      assert.equal(listed?.name, spec.name);
      assert.deepEqual({ ...listed?.metadata }, { ...spec.metadata });
      await place.provider.deleteImage(id, signal());
      const left = await place.provider.listImages(signal());
      assert.equal(
        left.some(({ externalId }) => externalId === id),
        false,
      );
    });

    test("two uploads of one file are two images", async () => {
      const first = await place.provider.uploadImage(imageSpec("0000000003"), signal());
      const second = await place.provider.uploadImage(imageSpec("0000000004"), signal());
      assert.notEqual(first, second);
      await place.provider.deleteImage(first, signal());
      const left = await place.provider.listImages(signal());
      assert.equal(
        left.some(({ externalId }) => externalId === second),
        true,
      );
      await place.provider.deleteImage(second, signal());
    });

    test("a file that is no image is refused and leaves no image", async () => {
      const images = (await place.provider.listImages(signal())).length;
      const spec = { ...imageSpec("0000000005"), path: "/dev/null" };
      await assert.rejects(place.provider.uploadImage(spec, signal()), ProviderError);
      assert.equal((await place.provider.listImages(signal())).length, images);
    });

    test("a file with another checksum than the built one is refused and leaves no image", async () => {
      const images = (await place.provider.listImages(signal())).length;
      const spec = { ...imageSpec("0000000006"), sha256: "0".repeat(64) };
      await assert.rejects(place.provider.uploadImage(spec, signal()), /sha256/);
      assert.equal((await place.provider.listImages(signal())).length, images);
    });

    test("an image that does not exist can be deleted", async () => {
      await place.provider.deleteImage(`sha256:${"0".repeat(64)}`, signal());
      await place.provider.deleteImage("no-such-image", signal());
    });

    test("a created instance runs, has an address and is listed with its metadata", async () => {
      const spec = instanceSpec();
      const instance = await create(spec);
      assert.equal(instance.state, "running");
      assert.equal(instance.name, spec.name);
      assert.notEqual(instance.interfaceIp, null);
      const listed = (await place.provider.listInstances(signal())).find(({ name }) => name === spec.name);
      assert.equal(listed?.externalId, instance.externalId);
      assert.equal(listed?.connectionPort, instance.connectionPort);
      assert.equal(listed?.state, "running");
      for (const [key, value] of Object.entries(spec.metadata)) assert.equal(listed?.metadata[key], value);
      await remove(instance);
    });

    test("the instance's id is told before it runs", async () => {
      const events: string[] = [];
      let told = "";
      const onExternalId = async (id: string) => {
        told = id;
        events.push("id");
      };
      const instance = await place.provider.createInstance(instanceSpec(), onExternalId, signal());
      events.push("created");
      assert.deepEqual(events, ["id", "created"]);
      assert.equal(told, instance.externalId);
      await remove(instance);
    });

    test("a repeated create with the same launch token finds the first instance", async () => {
      const spec = instanceSpec();
      const first = await create(spec);
      const second = await create(spec);
      assert.equal(second.externalId, first.externalId);
      assert.equal(second.connectionPort, first.connectionPort);
      const sameName = (await place.provider.listInstances(signal())).filter(
        ({ name }) => name === spec.name,
      );
      assert.equal(sameName.length, 1);
      await remove(first);
    });

    test("two creates at once with the same launch token make one instance", async () => {
      const spec = instanceSpec();
      const [first, second] = await Promise.all([create(spec), create(spec)]);
      assert.equal(first.externalId, second.externalId);
      await remove(first);
    });

    test("a create of another launch under the same name is refused while the first exists", async () => {
      const spec = instanceSpec();
      const first = await create(spec);
      const other = { ...spec, metadata: { ...spec.metadata, [METADATA.launchToken]: "another" } };
      await assert.rejects(create(other), ProviderError);
      await remove(first);
      const second = await create(other);
      assert.equal(second.state, "running");
      await remove(second);
    });

    test("an instance of a missing image is refused as not found", async () => {
      const spec = instanceSpec({ imageExternalId: `sha256:${"1".repeat(64)}` });
      await assert.rejects(create(spec), NotFoundError);
      const names = (await place.provider.listInstances(signal())).map(({ name }) => name);
      assert.equal(names.includes(spec.name), false);
    });

    test("a deleted instance is gone, and deleting it again is no error", async () => {
      const instance = await create(instanceSpec());
      await remove(instance);
      const left = (await place.provider.listInstances(signal())).map(({ externalId }) => externalId);
      assert.equal(left.includes(instance.externalId), false);
      await remove(instance);
      await assert.rejects(connect(instance, place.username, place.privateKey, 1));
    });

    test("a cancelled create leaves nothing that the list does not show, and can be repeated", async () => {
      const spec = instanceSpec();
      const cancel = new AbortController();
      const onExternalId = async () => cancel.abort(new Error("cancelled"));
      await assert.rejects(place.provider.createInstance(spec, onExternalId, cancel.signal));
      const instance = await create(spec);
      assert.equal(instance.state, "running");
      await remove(instance);
    });

    test("a create whose id cannot be noted fails and leaves nothing that the list does not show", async () => {
      const spec = instanceSpec();
      const onExternalId = () => Promise.reject(new Error("not noted"));
      await assert.rejects(place.provider.createInstance(spec, onExternalId, signal()), /not noted/);
      for (const left of await place.provider.listInstances(signal())) {
        if (left.name === spec.name) await remove(left);
      }
    });

    test("instances go on when their image is deleted", async () => {
      const own = await place.provider.uploadImage(imageSpec("0000000007"), signal());
      const instance = await create(instanceSpec({ imageExternalId: own }));
      await place.provider.deleteImage(own, signal());
      const client = await login(instance);
      assert.equal((await runRemote(client, "cat /etc/image-mark")).stdout.toString(), place.image.mark);
      client.end();
      await remove(instance);
    });

    describe("over SSH", () => {
      let instance: Instance;
      let client: Client;
      before(async () => {
        instance = await create(instanceSpec());
        client = await login(instance);
      });
      after(async () => {
        client.end();
        await remove(instance);
      });

      test("a command runs in the image as the image's user", async () => {
        const result = await runRemote(client, "cat /etc/image-mark; id -un; pwd");
        const lines = result.stdout.toString().trim().split("\n");
        assert.deepEqual(lines, [place.image.mark.trim(), place.username, `/home/${place.username}`]);
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
        const path = `/home/${place.username}/sftp-file`;
        const returned = await throughSftp(client, path, content);
        assert.equal(digest(returned), digest(content));
        const seen = await runRemote(client, `wc -c < ${path}`);
        assert.equal(seen.stdout.toString().trim(), "300000");
      });

      test("a key that the image does not have is refused", async () => {
        const stranger = (await generateSshKey("ed25519")).privateKey;
        await assert.rejects(connect(instance, place.username, stranger, 1), /authentication/i);
      });
    });
  });
}
