// Images and providers that come and go while the builder runs, and the formats that each provider takes.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { beforeEach, describe, test } from "node:test";
import { encodeUpload } from "../../lib/model/image.ts";
import { buildsLockPath, uploadPath } from "../../lib/model/paths.ts";
import type { ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import type { Checkpoint } from "../../services/builder/checkpoint.ts";
import type { BuilderCase, TestBuilder } from "../harness/builder.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let one: BuilderCase;
let cloud: FakeImageProvider;
let other: FakeImageProvider;

const readyAt = (builder: TestBuilder, image: string, provider: string) =>
  until(`${image} is at ${provider}`, () =>
    builder.uploads(image).find((upload) => upload.provider === provider && upload.record?.state === "ready"),
  );

/** A build command that makes a file of each of these formats. */
const making = (...formats: string[]) =>
  one.command(`for format in ${formats.join(" ")}; do echo "$format" >"$out.$format"; done`);

describe("a builder with changing images and providers", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
    other = new FakeImageProvider("other");
  });

  test("uploads to a provider that is added, builds an image that is added, deletes one that is taken out", async () => {
    const image = { dibCommand: await one.plainCommand() };
    const builder = await one.start({
      images: { ubuntu: image },
      providers: [{ driver: cloud, images: ["ubuntu"] }],
    });
    const { build } = await readyAt(builder, "ubuntu", "cloud");
    await builder.take({
      images: { ubuntu: image, debian: image },
      providers: [
        { driver: cloud, images: ["ubuntu"] },
        { driver: other, images: ["ubuntu", "debian"] },
      ],
    });
    assert.equal((await readyAt(builder, "ubuntu", "other")).build, build);
    const debian = await readyAt(builder, "debian", "other");
    await builder.take({
      images: { ubuntu: image },
      providers: [
        { driver: cloud, images: ["ubuntu"] },
        { driver: other, images: ["ubuntu"] },
      ],
    });
    await until("the image is gone", () => builder.builds("debian").length === 0);
    assert.equal(other.images.size, 1);
    await until("its files are gone", async () =>
      (await builder.files()).every((file) => !file.includes(debian.build)),
    );
    assert.equal(builder.builds("ubuntu")[0]?.build, build);
  });

  test("does not wait for an upload in hand at a provider that leaves, which is let go of when that has ended", async () => {
    const image = { dibCommand: await one.plainCommand() };
    const upload = Promise.withResolvers<void>();
    cloud.gate = upload.promise;
    const builder = await one.start({
      images: { ubuntu: image },
      providers: [{ driver: cloud, images: ["ubuntu"] }],
    });
    await until("the upload is in hand", () => builder.uploads("ubuntu").length === 1);
    const { released } = await builder.take({
      images: { ubuntu: image },
      providers: [{ driver: other, images: ["ubuntu"] }],
    });
    let isReleased = false;
    void released.then(() => {
      isReleased = true;
    });
    await readyAt(builder, "ubuntu", "other");
    assert.equal(isReleased, false);
    upload.resolve();
    await released;
    await readyAt(builder, "ubuntu", "cloud");
  });

  test("tries an image anew at once when it was changed, and at a provider that was", async () => {
    cloud.failUploads = 1;
    const broken = { dibCommand: await one.command("exit 1") };
    const fine = { dibCommand: await one.plainCommand() };
    const images = { ubuntu: broken, debian: fine };
    const patient = { backoff: { initial: 600_000, maximum: 600_000 } };
    const builder = await one.start({ images, providers: [{ driver: cloud, images: ["debian"] }] }, patient);
    await until("it failed", () => builder.builds("ubuntu")[0]?.record?.state === "failed");
    await until("it failed", () => builder.uploads("debian")[0]?.record?.state === "failed");
    const mended = new FakeImageProvider("cloud");
    await builder.take({
      images: { ubuntu: fine, debian: fine },
      providers: [{ driver: mended, images: ["debian", "ubuntu"] }],
    });
    await readyAt(builder, "ubuntu", "cloud");
    await readyAt(builder, "debian", "cloud");
  });

  test("locks an image no longer that was taken out while its lock was being taken", async () => {
    const asked = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const spoil = (session: ZooKeeperSession) => {
      const { children } = session;
      session.children = async (path, ...rest) => {
        if (path === buildsLockPath("ubuntu")) {
          asked.resolve();
          await gate.promise;
        }
        return await children.call(session, path, ...rest);
      };
    };
    const image = { dibCommand: await one.plainCommand() };
    const taken = Promise.withResolvers<void>();
    const reached = (checkpoint: Checkpoint) => {
      if (checkpoint === "build: lock taken") taken.resolve();
    };
    const builder = await one.start({ images: { ubuntu: image }, providers: [] }, { spoil, reached });
    await asked.promise;
    await builder.take({ images: {}, providers: [] });
    gate.resolve();
    await taken.promise;
    await until("nobody is in line", async () => {
      return (await builder.session.children(buildsLockPath("ubuntu"))).length === 0;
    });
  });

  test("gives each provider its own format", async () => {
    const image = { dibCommand: await making("qcow2", "vhd"), formats: ["qcow2", "vhd"] };
    const builder = await one.start({
      images: { ubuntu: image },
      providers: [
        { driver: cloud, images: ["ubuntu"] },
        { driver: other, images: ["ubuntu"], config: { imageFormat: "vhd" } },
      ],
    });
    assert.equal((await readyAt(builder, "ubuntu", "cloud")).record?.format, "qcow2");
    assert.equal((await readyAt(builder, "ubuntu", "other")).record?.format, "vhd");
    assert.deepEqual(
      [cloud, other].map(({ images }) => [...images.values()][0]?.content),
      ["qcow2\n", "vhd\n"],
    );
  });

  test("builds an image that no provider takes", async () => {
    const image = { dibCommand: await making("tar"), formats: ["tar"] };
    const builder = await one.start({ images: { ubuntu: image }, providers: [] });
    await until("a ready build", () => builder.builds("ubuntu")[0]?.record?.state === "ready");
    assert.deepEqual(builder.builds("ubuntu")[0]?.record?.formats, "tar");
  });

  test("delete-after-upload deletes the formats that are uploaded, not keep-formats, not what is still to be sent", async () => {
    const formats = ["qcow2", "raw", "vhd"];
    const image = {
      dibCommand: await making(...formats),
      formats,
      keepFormats: ["raw"],
      deleteAfterUpload: true,
    };
    other.failUploads = Number.POSITIVE_INFINITY;
    const builder = await one.start({
      images: { ubuntu: image },
      providers: [
        { driver: cloud, images: ["ubuntu"] },
        { driver: other, images: ["ubuntu"], config: { imageFormat: "vhd" } },
      ],
    });
    const { build } = await readyAt(builder, "ubuntu", "cloud");
    const left = async () => {
      const names = await readdir(builder.imagesDir);
      return formats.filter((format) => names.includes(`ubuntu-${build}.${format}`)).join();
    };
    await until("qcow2 is deleted", async () => (await left()) === "raw,vhd");
    other.failUploads = 0;
    await readyAt(builder, "ubuntu", "other");
    await until("vhd is deleted", async () => (await left()) === "raw");
    assert.equal(builder.builds("ubuntu").length, 1);
  });

  test("an upload without an id at its provider goes as others do", async () => {
    const image = { dibCommand: await one.plainCommand() };
    const builder = await one.start({
      images: { ubuntu: image },
      providers: [{ driver: cloud, images: ["ubuntu"] }],
    });
    const first = await readyAt(builder, "ubuntu", "cloud");
    assert.ok(first.record);
    const path = uploadPath("ubuntu", first.build, "cloud", first.upload);
    const nameless = { ...first.record, state: "deleting", externalId: null, externalName: null } as const;
    await builder.session.set(path, encodeUpload(nameless), -1);
    await until("it is gone", () => !builder.uploads("ubuntu").some(({ upload }) => upload === first.upload));
    const second = await readyAt(builder, "ubuntu", "cloud");
    assert.deepEqual([...cloud.images.keys()], [second.record?.externalId]);
  });
});
