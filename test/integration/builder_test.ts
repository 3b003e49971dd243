import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { encodeBuild, encodeUpload } from "../../lib/model/image.ts";
import { buildPath, buildRequestPath, imagePath, imagePausePath, uploadPath } from "../../lib/model/paths.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { Image_BuildRequest } from "../../lib/rpc/gen/nodepool/v1/image.ts";
import type { UploadEntry } from "../../lib/zookeeper/view.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

let server: ZooKeeperServer;
let one: BuilderCase;
let cloud: FakeImageProvider;

async function setting(given: BuilderSetting["images"][string] = {}): Promise<BuilderSetting> {
  const dibCommand = await one.plainCommand();
  return { images: { ubuntu: { dibCommand, ...given } }, providers: [{ driver: cloud, images: ["ubuntu"] }] };
}

const states = (entries: readonly { record: { state: string } | null }[]) =>
  entries.map(({ record }) => record?.state);

/** The uploads that are ready, the newest first. */
const readyUploads = (builder: TestBuilder) =>
  builder
    .uploads("ubuntu")
    .filter(({ record }) => record?.state === "ready")
    .sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));

const firstUpload = (builder: TestBuilder, what = "the first upload") =>
  until(what, () => readyUploads(builder)[0]);

/** Writes `deleting`, as Nodepool's CLI does: without a lock. */
async function askToDelete(builder: TestBuilder, upload: UploadEntry): Promise<void> {
  assert.ok(upload.record);
  const path = uploadPath(upload.image, upload.build, upload.provider, upload.upload);
  await builder.session.set(path, encodeUpload({ ...upload.record, state: "deleting" }), -1);
}

async function askToDeleteBuild(builder: TestBuilder, build: string): Promise<void> {
  const record = builder.builds("ubuntu").find((entry) => entry.build === build)?.record;
  assert.ok(record);
  const path = buildPath("ubuntu", build);
  await builder.session.set(path, encodeBuild({ ...record, state: "deleting" }), -1);
}

describe("a builder on a real ZooKeeper", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(server);
    cloud = new FakeImageProvider("cloud");
  });
  afterEach(() => one.end());

  test("builds and uploads an image that has no build, and records both as Nodepool does", async () => {
    const builder = await one.start(await setting({ metadata: { team: "infra" }, shellType: "sh" }));
    const upload = await firstUpload(builder);
    const [build] = builder.builds("ubuntu");
    assert.ok(build?.record);
    assert.match(build.build, /^[0-9a-f]{32}$/);
    const { stateTime: _, ...record } = build.record;
    assert.deepEqual(record, {
      state: "ready",
      builder: "one.example.org",
      builderId: (await readFile(join(builder.imagesDir, "builder_id.txt"), "utf8")).trim(),
      formats: "qcow2",
      username: "zuul",
      pythonPath: "auto",
      shellType: "sh",
      error: null,
      extra: {},
    });
    assert.equal(upload.upload, "0000000001");
    const stored = cloud.images.get(upload.record?.externalId ?? "");
    assert.match(upload.record?.externalName ?? "", /^ubuntu-\d{10}$/);
    assert.equal(upload.record?.format, "qcow2");
    assert.equal(upload.record?.shellType, "sh");
    assert.equal(stored?.content, `${join(builder.imagesDir, `ubuntu-${build.build}`)}\n`);
    assert.deepEqual(stored?.metadata, {
      team: "infra",
      [METADATA.provider]: "cloud",
      [METADATA.image]: "ubuntu",
      [METADATA.build]: build.build,
      [METADATA.upload]: "0000000001",
    });
    assert.match(stored?.spec.sha256 ?? "", /^[0-9a-f]{64}$/);
    const log = await readFile(join(builder.logDir, `ubuntu-${build.build}.log`), "utf8");
    assert.match(log, /^building\nDuration: \d+\.\d s\nExit code: 0\n$/);
    const stem = `ubuntu-${build.build}`;
    assert.deepEqual(await builder.files(), [
      ...[`${stem}.nodepool.json`, `${stem}.qcow2`, `${stem}.qcow2.md5`, `${stem}.qcow2.sha256`],
    ]);
    assert.deepEqual(builder.view.image("ubuntu")?.lock.contenders, []);
    await until("the component", () => [...builder.view.components()][0]?.record?.state === "running");
  });

  test("begins the upload at once when a build is ready", async () => {
    const builder = await one.start(await setting());
    const upload = await firstUpload(builder);
    const ready = builder.builds("ubuntu")[0]?.record?.stateTime ?? 0;
    const begun = upload.createdAt - ready;
    assert.ok(begun < 5, `${begun} s from ready to uploading`);
  });

  test("rebuilds by age, keeps the current and the previous, and removes what is older", async () => {
    const builder = await one.start(await setting({ rebuildAge: 0.6 }));
    const first = (await firstUpload(builder)).build;
    await until(
      "the first build is gone",
      () => !builder.builds("ubuntu").some(({ build }) => build === first),
    );
    await until("two builds and uploads", () => {
      return builder.builds("ubuntu").length <= 3 && readyUploads(builder).length === 2;
    });
    assert.ok(!(await builder.files()).some((file) => file.includes(first)));
    await until("only what is recorded is at the provider", () => {
      const recorded = builder.uploads("ubuntu").map(({ record }) => record?.externalId);
      return [...cloud.images.keys()].every((id) => recorded.includes(id)) && cloud.images.size <= 3;
    });
    assert.ok(!(await readFile(join(builder.logDir, `ubuntu-${first}.log`), "utf8")).includes("failed"));
  });

  test("serves a build request at once and clears it with the result", async () => {
    const builder = await one.start(await setting());
    await firstUpload(builder);
    await builder.session.create(buildRequestPath("ubuntu"), new Uint8Array(), "persistent");
    await until("a second build", () => states(builder.builds("ubuntu")).join() === "ready,ready");
    assert.equal(builder.view.image("ubuntu")?.buildRequest, null);
    await until("a second upload", () => readyUploads(builder).length === 2);
  });

  test("builds with several workers at once; a request goes before what is due, and shows its place in the line", async () => {
    const dibCommand = await one.command(
      'echo "$out" >>"$here/runs"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"',
    );
    const names = ["a", "b", "c", "d"];
    const builder = await one.start(
      { images: Object.fromEntries(names.map((name) => [name, { dibCommand }])), providers: [] },
      { buildWorkers: 2 },
    );
    const api = await serveBuilder(builder);
    try {
      const runs = async () => {
        const lines = (await readFile(join(one.folder, "runs"), "utf8").catch(() => "")).trim().split("\n");
        return lines.map((line) => line.slice(line.lastIndexOf("/") + 1, -33));
      };
      await until("two run", async () => (await runs()).length === 2);
      await api.images.buildImage({ name: "images/d" });
      const waiting = await until("its place", async () => {
        const { images } = await api.images.listImages({});
        const found = images.find(({ name }) => name === "images/d");
        return found?.reason.includes("asked for") && found;
      });
      assert.equal(
        waiting.reason,
        "a build was asked for; it waits for one of 2 build workers, next in line",
      );
      assert.equal(waiting.buildRequest, Image_BuildRequest.BUILD_REQUEST_PENDING);
      assert.deepEqual((await runs()).sort(), ["a", "b"]);
      await writeFile(join(one.folder, "go"), "");
      await until("all were built", () =>
        names.every((name) => states(builder.builds(name)).join() === "ready"),
      );
      assert.deepEqual((await runs()).toSorted(), names);
      const order = await runs();
      assert.ok(order.indexOf("d") < order.indexOf("c"), order.join());
    } finally {
      await writeFile(join(one.folder, "go"), "");
      await api.close();
    }
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

  test("keeps a build request until a build has succeeded", async () => {
    const flaky = await one.command(
      '[ -e "$here/ok" ] || { touch "$here/ok"; exit 1; }; echo x >"$out.qcow2"',
    );
    const prepared = await one.start({ images: {}, providers: [] });
    await prepared.session.ensurePath(buildRequestPath("ubuntu"));
    const builder = await one.start(await setting({ dibCommand: flaky }), { name: "two" });
    await until("a failed build", () => states(builder.builds("ubuntu")).includes("failed"));
    assert.notEqual(builder.view.image("ubuntu")?.buildRequest, null);
    await firstUpload(builder);
    assert.equal(builder.view.image("ubuntu")?.buildRequest, null);
    await until("the failed record is gone", () => states(builder.builds("ubuntu")).join() === "ready");
  });

  test("does not build a paused image, not even on request, until it is resumed", async () => {
    const outside = await one.start({ images: {}, providers: [] });
    await outside.session.ensurePath(imagePausePath("ubuntu"));
    await outside.session.ensurePath(buildRequestPath("ubuntu"));
    const builder = await one.start(await setting(), { name: "two" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(builder.builds("ubuntu"), []);
    await outside.session.delete(imagePausePath("ubuntu"), -1);
    await firstUpload(builder);
  });

  test("a deleted upload falls back to the previous one; with the provider image paused it stays so", async () => {
    const given = await setting();
    const builder = await one.start(given);
    const previous = await firstUpload(builder);
    await builder.session.create(buildRequestPath("ubuntu"), new Uint8Array(), "persistent");
    const newest = await until("two uploads", () =>
      readyUploads(builder).length === 2 ? readyUploads(builder)[0] : null,
    );
    await builder.stop();

    const listed = { name: "ubuntu", pause: true, connectionType: "ssh", connectionPort: 22, meta: {} };
    const paused = { ...given, providers: [{ driver: cloud, images: [], config: { diskimages: [listed] } }] };
    const again = await one.start(paused);
    await askToDelete(again, newest);
    await until("one upload", () => again.uploads("ubuntu").length === 1);
    assert.equal(readyUploads(again)[0]?.build, previous.build);
    assert.deepEqual([...cloud.images.keys()], [previous.record?.externalId]);
    await again.stop();

    const resumed = await one.start(given);
    const repeated = await until("it is uploaded again", () =>
      readyUploads(resumed).find(({ build }) => build === newest.build),
    );
    assert.notEqual(repeated.upload, newest.upload);
  });

  test("a deleted build goes everywhere, and the image is built anew", async () => {
    const builder = await one.start(await setting());
    const { build } = await firstUpload(builder);
    cloud.failDeletes = 1;
    await askToDeleteBuild(builder, build);
    await until(
      "the files are gone",
      async () => !(await builder.files()).some((file) => file.includes(build)),
    );
    await until("the record is gone", () => !builder.builds("ubuntu").some((entry) => entry.build === build));
    const next = await firstUpload(builder, "a new upload");
    assert.notEqual(next.build, build);
    assert.deepEqual([...cloud.images.keys()], [next.record?.externalId]);
    assert.equal((await builder.session.children(imagePath("ubuntu"))).includes("request-build"), false);
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

  test("a failing image backs off and does not hold up another", async () => {
    const bad = await one.command('echo run >>"$here/runs"; exit 1');
    const given = await setting();
    const images = { broken: { dibCommand: bad }, ...given.images };
    const builder = await one.start({ ...given, images });
    await firstUpload(builder);
    const attempts = async () => (await readFile(join(one.folder, "runs"), "utf8")).trim().split("\n");
    await until("three attempts", async () => (await attempts()).length >= 3);
    await until("a failed record", () => states(builder.builds("broken")).includes("failed"));
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

  test("a provider that no longer lists the image loses it; the builds stay", async () => {
    const given = await setting();
    const builder = await one.start(given);
    await firstUpload(builder);
    await builder.stop();
    const again = await one.start({ ...given, providers: [{ driver: cloud, images: [] }] });
    await until("no uploads", () => again.uploads("ubuntu").length === 0);
    assert.equal(cloud.images.size, 0);
    assert.deepEqual(states(again.builds("ubuntu")), ["ready"]);
  });

  test("an image that is removed from the configuration goes with everything that this builder made of it", async () => {
    const builder = await one.start(await setting());
    await firstUpload(builder);
    await builder.stop();
    const again = await one.start({ images: {}, providers: [{ driver: cloud, images: [] }] });
    await until("no builds", () => again.builds("ubuntu").length === 0);
    assert.equal(cloud.images.size, 0);
    await until("no files", async () => (await again.files()).length === 0);
  });
});
