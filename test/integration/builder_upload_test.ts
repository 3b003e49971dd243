import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import type { BuilderCase, BuilderSetting } from "../harness/builder.ts";
import { serveBuilder } from "../harness/builder_api.ts";
import { firstUpload, readyUploads, states, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let one: BuilderCase;
let cloud: FakeImageProvider;

const setting = (given: BuilderSetting["images"][string] = {}) => ubuntuAt(one, cloud, given);

describe("uploads to providers", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
  });

  test("uploads to several providers at once, and no more than it has workers", async () => {
    const clouds = ["a", "b", "c"].map((name) => new FakeImageProvider(name));
    for (const each of clouds) each.hang = true;
    const { images } = await setting();
    const providers = clouds.map((driver) => ({ driver, images: ["ubuntu"] }));
    const builder = await one.start({ images, providers }, { uploadWorkers: 2 });
    const under = () => clouds.filter(({ calls }) => calls.length > 0).length;
    await until("two uploads", () => under() === 2);
    const api = await serveBuilder(builder);
    try {
      const [image] = (await api.images.listImages({})).images;
      const reasons = Object.values(image?.missingUploads ?? {}).sort();
      assert.match(reasons[0] ?? "", /it waits for one of 2 upload workers, next in line/);
      assert.deepEqual(reasons.slice(1), ["it is under way here", "it is under way here"]);
      assert.equal(under(), 2);
    } finally {
      await api.close();
    }
  });

  test("an upload of an older build that ends last is not taken for the newest", async () => {
    let goOn = () => {};
    cloud.gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const builder = await one.start(await setting());
    const api = await serveBuilder(builder);
    try {
      await until("the first upload runs", () => cloud.calls.length === 1);
      const older = builder.builds("ubuntu")[0]?.build;
      cloud.gate = Promise.resolve();
      await api.images.buildImage({ name: "images/ubuntu" });
      const newer = (await firstUpload(builder, "the newer upload")).build;
      goOn();
      await until("both uploads", () => readyUploads(builder).length === 2);
      assert.deepEqual(
        readyUploads(builder).map(({ build }) => build),
        [newer, older],
      );
    } finally {
      await api.close();
    }
  });

  test("an upload without an id at its provider has failed", async () => {
    const nameless = new (class extends FakeImageProvider {
      override async uploadImage(): Promise<string> {
        return "";
      }
    })("cloud");
    const builder = await one.start({
      images: (await setting()).images,
      providers: [{ driver: nameless, images: ["ubuntu"] }],
    });
    const failed = await until("it failed", () =>
      builder.uploads("ubuntu").find(({ record }) => record?.state === "failed"),
    );
    assert.equal(failed.record?.error, "cloud gave no id for the image");
  });

  test("an upload that fails is tried again with back-off, and other providers do not wait for it", async () => {
    const other = new FakeImageProvider("other");
    cloud.failUploads = 2;
    const given = await setting();
    const builder = await one.start({
      ...given,
      providers: [...given.providers, { driver: other, images: ["ubuntu"] }],
    });
    const first = await firstUpload(builder);
    assert.equal(first.provider, "other");
    await until("a failed record", () => states(builder.uploads("ubuntu")).includes("failed"));
    await until("both", () => states(builder.uploads("ubuntu")).join() === "ready,ready");
    assert.equal(cloud.calls.filter((call) => call.startsWith("upload")).length, 3);
  });

  test("a post-upload-hook that fails takes the image back", async () => {
    const given = await setting();
    const postUploadHook = join(one.folder, "hook");
    await writeFile(
      postUploadHook,
      '#!/bin/sh\necho "$@" >>"$0.out"; [ -e "$0.ok" ] || { echo refused; exit 1; }\n',
    );
    await chmod(postUploadHook, 0o755);
    const [only] = given.providers;
    assert.ok(only);
    const builder = await one.start({ ...given, providers: [{ ...only, config: { postUploadHook } }] });
    await until("a failed upload", () => states(builder.uploads("ubuntu")).includes("failed"));
    assert.equal(cloud.images.size, 0);
    await writeFile(`${postUploadHook}.ok`, "");
    const upload = await firstUpload(builder);
    const arguments_ = (await readFile(`${postUploadHook}.out`, "utf8")).trim().split("\n").at(-1);
    const file = join(builder.imagesDir, `ubuntu-${upload.build}.qcow2`);
    assert.equal(arguments_, `cloud ${upload.record?.externalId} ${file}`);
  });
});
