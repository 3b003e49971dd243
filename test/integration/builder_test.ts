import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import { buildRequestPath, imagePausePath } from "../../lib/model/paths.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { Image_BuildRequest } from "../../lib/rpc/gen/nodepool/v1/image.ts";
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

describe("a builder on a real ZooKeeper", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
  });

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
      'echo "$out" >>"$here/runs"; until [ -e "$here/go" -o -e "$here/go-$DIB_IMAGE_NAME" ]; do sleep 0.05; done; echo x >"$out.qcow2"',
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
      await writeFile(join(one.folder, "go-a"), "");
      await until("a third one runs", async () => (await runs()).length === 3);
      assert.equal((await runs())[2], "d");
      await writeFile(join(one.folder, "go"), "");
      await until("all were built", () =>
        names.every((name) => states(builder.builds(name)).join() === "ready"),
      );
      assert.deepEqual((await runs()).toSorted(), names);
    } finally {
      await writeFile(join(one.folder, "go"), "");
      await api.close();
    }
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
    const api = await serveBuilder(builder);
    try {
      await until("it says why", async () => {
        const [image] = (await api.images.listImages({})).images;
        return image?.reason.startsWith("builds are paused by an operator");
      });
      assert.deepEqual(builder.builds("ubuntu"), []);
      await outside.session.delete(imagePausePath("ubuntu"), -1);
      await firstUpload(builder);
    } finally {
      await api.close();
    }
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
});
