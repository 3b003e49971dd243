import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { encodeBuild, encodeUpload, newBuild, newUpload } from "../../lib/model/image.ts";
import {
  buildPath,
  buildRequestPath,
  imagePath,
  imagePausePath,
  uploadLockPath,
  uploadPath,
  uploadsPath,
} from "../../lib/model/paths.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { UploadEntry } from "../../lib/zookeeper/view.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { type BuilderApi, serveBuilder } from "../harness/builder_api.ts";
import { firstUpload, readyUploads, states, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startSlowWire } from "../harness/slow_wire.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let one: BuilderCase;
let cloud: FakeImageProvider;

const setting = (given: BuilderSetting["images"][string] = {}) => ubuntuAt(one, cloud, given);

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

const upload = (build: string, at: number, state: "ready" | "uploading" | "deleting") =>
  encodeUpload(newUpload(at, { state, externalId: build, externalName: build, format: "qcow2" }));

/** A build that another builder has made, with an upload of it. */
async function put(session: Session, name: string, build: string, at: number, state: "ready" | "uploading") {
  await session.ensurePath(uploadsPath(name, build, "cloud"));
  const record = newBuild(at, { state: "ready", builder: "other", builderId: "other", formats: "qcow2" });
  await session.set(buildPath(name, build), encodeBuild(record), -1);
  await session.create(uploadPath(name, build, "cloud", "1"), upload(build, at, state), "persistent");
}

/** A logger that keeps its messages. */
function noted() {
  const lines: string[] = [];
  const line = (message: string) => lines.push(message);
  const logger = { debug: () => {}, info: line, warn: line, error: line, child: () => logger };
  return { lines, logger };
}

/** Whether a builder leaves the deletion of an upload of ubuntu to somebody else. */
async function leavesDeletion({ images }: BuilderApi): Promise<boolean> {
  const { decisions } = await images.explainImage({ name: "images/ubuntu" });
  return decisions.some(({ action, rule }) => action === "ACTION_DELETE_UPLOAD" && rule === "locked");
}

describe("what is deleted, and what stays", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
  });

  test("two uploads stay where a third is ready just after another was condemned, however late that is heard", async () => {
    const names = Array.from({ length: 15 }, (_none, index) => `image${index}`);
    const { session } = await one.observe();
    for (const name of names) for (const at of [1, 2]) await put(session, name, `b${at}`, at, "ready");
    const wire = await startSlowWire(cases.server);
    const images = Object.fromEntries(names.map((name) => [name, { dibCommand: "/bin/false", pause: true }]));
    const late = await BuilderCase.at(wire, one.folder).start({
      images,
      providers: [{ driver: cloud, images: names }],
    });
    try {
      for (const name of names) {
        const path = (build: string) => uploadPath(name, build, "cloud", "1");
        await put(session, name, "b3", 3, "uploading");
        await Promise.all([
          session.set(path("b2"), upload("b2", 4, "deleting"), -1),
          session.set(path("b3"), upload("b3", 4, "ready"), -1),
        ]);
      }
      const builds = (name: string) => late.uploads(name).map(({ build }) => build);
      await until("the condemned ones are gone", () => names.every((name) => !builds(name).includes("b2")));
      assert.deepEqual(
        names.filter((name) => builds(name).sort().join() !== "b1,b3"),
        [],
      );
    } finally {
      await late.stop();
      await wire.close();
    }
  });

  test("what one builder deletes has failed at no other", async () => {
    const { session } = await one.observe();
    for (const at of [1, 2, 3]) await put(session, "ubuntu", `b${at}`, at, "ready");
    const deletion = Promise.withResolvers<void>();
    cloud.deletionGate = deletion.promise;
    const { lines, logger } = noted();
    const given = await setting({ pause: true });
    const builders = [
      await one.start(given, { name: "a", logger }),
      await one.start(given, { name: "b", logger }),
    ];
    const apis = await Promise.all(builders.map(serveBuilder));
    try {
      await until("one waits for the other", async () =>
        (await Promise.all(apis.map(leavesDeletion))).includes(true),
      );
      const errors = apis.map(async ({ images }) => (await images.listImages({})).images[0]?.lastError);
      assert.deepEqual(await Promise.all(errors), ["", ""]);
      deletion.resolve();
      await until("the third is gone", () => builders.every((each) => each.builds("ubuntu").length === 2));
      assert.equal(lines.includes("action failed"), false);
    } finally {
      deletion.resolve();
      for (const api of apis) await api.close();
    }
  });

  test("a deletion during which somebody else gets into line has not failed", async () => {
    const { session } = await one.observe();
    for (const at of [1, 2, 3]) await put(session, "ubuntu", `b${at}`, at, "ready");
    const deletion = Promise.withResolvers<void>();
    cloud.deletionGate = deletion.promise;
    const { lines, logger } = noted();
    const api = await serveBuilder(await one.start(await setting({ pause: true }), { logger }));
    try {
      await until("it is being deleted", () => cloud.calls.includes("delete b1"));
      const root = uploadLockPath("ubuntu", "b1", "cloud", "1");
      await session.create(`${root}/other__lock__`, new Uint8Array(), "ephemeral-sequential");
      deletion.resolve();
      await until("it waits for the other", () => leavesDeletion(api));
      assert.equal(lines.includes("action failed"), false);
    } finally {
      deletion.resolve();
      await api.close();
    }
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

  test("an upload that is condemned while it is sent leaves nothing at a provider that does not delete at once", async () => {
    const sent = Promise.withResolvers<void>();
    cloud.gate = sent.promise;
    cloud.failDeletes = 1;
    const builder = await one.start(await setting());
    const under = () => builder.uploads("ubuntu")[0];
    const condemned = await until("an upload", () => cloud.calls.length > 0 && under());
    await builder.session.ensurePath(imagePausePath("ubuntu"));
    await askToDelete(builder, condemned);
    await until("it is seen", () => under()?.record?.state === "deleting");
    sent.resolve();
    const next = await until("the next upload", () => readyUploads(builder)[0]);
    assert.notEqual(next.upload, condemned.upload);
    await until("only that one is there", () => {
      return (
        [...cloud.images.keys()].join() === next.record?.externalId && builder.uploads("ubuntu").length === 1
      );
    });
    assert.equal(cloud.failDeletes, 0);
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
