import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { encodeUpload, newUpload } from "../../lib/model/image.ts";
import { buildPath, imagePausePath } from "../../lib/model/paths.ts";
import type { Clients } from "../../lib/rpc/client.ts";
import { importImages } from "../../services/builder/image_data.ts";
import type { BuilderSetting } from "../harness/builder.ts";
import { type ApiCase, refused } from "../harness/builder_api.ts";
import { firstUpload } from "../harness/builder_images.ts";
import { config, diskimage, provider } from "../harness/builder_state.ts";
import { until } from "../harness/launcher.ts";
import { builderApiCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let current: ApiCase;

async function exportAll(images: Clients["images"]) {
  const data = [];
  for await (const { datum } of images.exportImageData({})) if (datum !== undefined) data.push(datum);
  return data;
}

/** The image data of a builder that has built and uploaded ubuntu, and has ended. */
async function dataOfBuilder(given: BuilderSetting) {
  const { builder, images } = await current.serve(given);
  await firstUpload(builder);
  const data = await exportAll(images);
  await builder.stop();
  return data;
}

describe("image data between ZooKeepers", { skip: !zooKeeperInstalled }, () => {
  const cases = builderApiCases();
  beforeEach(async () => {
    current = await cases.begin();
  });

  test("exports image data as Nodepool does, and another ZooKeeper takes them to the letter; numbers go on", async () => {
    const given = await current.setting();
    const { builder, images } = await current.serve(given);
    const { build, upload } = await firstUpload(builder);
    await images.pauseImage({ name: "images/ubuntu" });
    const exported = await exportAll(images);
    const path = buildPath("ubuntu", build);
    const paths = [imagePausePath("ubuntu"), path, `${path}/providers/cloud/images/${upload}`];
    assert.deepEqual(
      exported.map((datum) => datum.path),
      paths,
    );
    const record = new TextDecoder().decode((await builder.session.get(path)).data);
    assert.equal(exported[1]?.data, record);
    await builder.stop();

    const later = exported.map(({ path, data }) => ({
      path: path.replace(/0000000001$/, "0000000007"),
      data,
    }));
    const elsewhere = { chroot: `${current.one.folder}-new`, name: "two" };
    const { builder: other, images: target } = await current.serve({ images: {}, providers: [] }, elsewhere);
    assert.equal((await target.importImageData({ data: later })).written, 3);
    assert.equal((await target.importImageData({ data: later })).written, 0);
    assert.deepEqual(await exportAll(target), later);
    const changed = [{ path, data: record.replace("qcow2", "raw") }];
    await refused(
      target.importImageData({ data: changed }),
      "FAILED_PRECONDITION",
      /is there already, with other/,
    );
    const foreign = [{ path: "/nodepool/nodes/0000000001", data: "{}" }];
    await refused(target.importImageData({ data: foreign }), "INVALID_ARGUMENT", /no build, upload or pause/);
    const fresh = { path: "/nodepool/images/new/pause", data: "" };
    await refused(
      target.importImageData({ data: [fresh, fresh] }),
      "INVALID_ARGUMENT",
      /new\/pause is given twice/,
    );
    for (const name of ["odd\uffff", `long${"x".repeat(2_000_000)}`]) {
      const odd = [{ path: `/nodepool/images/${name}/pause`, data: "" }];
      await refused(target.importImageData({ data: odd }), "INVALID_ARGUMENT", /^data: BAD_ARGUMENTS/);
    }
    const broken = [{ path, data: "{" }];
    await refused(target.importImageData({ data: broken }), "INVALID_ARGUMENT", /cannot be imported/);
    const folder = `${path}/providers/cloud/images/`;
    const next = await other.session.create(folder, new Uint8Array(), "persistent-sequential");
    assert.equal(next, `${folder}0000000008`);
    await other.session.delete(next, -1);

    // Back on its own disk, the builder goes by the new ZooKeeper: the files are its build's, and go with it.
    const back = await current.one.start(given, { chroot: elsewhere.chroot });
    await until("the build", () => back.builds("ubuntu").length === 1);
    assert.ok((await back.files()).includes(`ubuntu-${build}.qcow2`));
    await back.stop();
    await other.session.deleteRecursive(path);
    const again = await current.one.start(given, { chroot: elsewhere.chroot });
    await until(
      "the files are gone",
      async () => !(await again.files()).some((file) => file.includes(build)),
    );
  });

  test("refuses the builds of the builder that is asked when its configuration does not name their image", async () => {
    const data = await dataOfBuilder(await current.setting());
    const without = { images: {}, providers: [{ driver: current.cloud, images: [] }] };
    const { images } = await current.serve(without, { chroot: `${current.one.folder}-new` });
    await refused(
      images.importImageData({ data }),
      "FAILED_PRECONDITION",
      /builds\/\w+ would be deleted at once: image ubuntu is not in test.yaml.*with "pause: true"/,
    );
    assert.deepEqual(await exportAll(images), []);
  });

  test("refuses uploads to a provider that does not list their image", async () => {
    const given = await current.setting({ pause: true });
    const data = await dataOfBuilder(await current.setting());
    const unlisted = { ...given, providers: [{ driver: current.cloud, images: [] }] };
    const { images } = await current.serve(unlisted, { chroot: `${current.one.folder}-new` });
    await refused(
      images.importImageData({ data }),
      "FAILED_PRECONDITION",
      /images\/\d+ would be deleted at once: provider cloud does not list image ubuntu/,
    );
    assert.deepEqual(await exportAll(images), []);
  });

  test("a builder whose image is paused takes its own data back, and deletes nothing", async () => {
    const given = await current.setting({ pause: true });
    const data = await dataOfBuilder(await current.setting());
    const { builder, images } = await current.serve(given, { chroot: `${current.one.folder}-new` });
    assert.equal((await images.importImageData({ data })).written, 2);
    const { decisions } = await images.explainImage({ name: "images/ubuntu" });
    assert.deepEqual(
      decisions.filter(({ acting }) => acting),
      [],
    );
    assert.equal(builder.builds("ubuntu").length, 1);
  });

  test("ends with its caller, and goes on when it is called again", async () => {
    const given = await current.setting({ pause: true });
    const path = `${buildPath("ubuntu", "b1")}/providers/cloud/images/0000000007`;
    const data = [{ path, data: new TextDecoder().decode(encodeUpload(newUpload(1, { state: "ready" }))) }];
    const { builder } = await current.serve(given);
    const { session } = builder;
    const importer = {
      builderId: "me",
      config: config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"])]),
    };
    const caller = new AbortController();
    const { create } = session;
    let numbers = 0;
    session.create = async (...words) => {
      if (words[2] === "persistent-sequential") numbers += 1;
      if (numbers === 2) caller.abort(new Error("the caller has gone"));
      return await create.apply(session, words);
    };
    await assert.rejects(importImages(session, data, importer, caller.signal), /the caller has gone/);
    assert.equal(numbers, 2);
    assert.equal(await importImages(session, data, importer, new AbortController().signal), 1);
  });

  test("passes over a build that was begun and has no document, which nobody could import", async () => {
    const { builder, images } = await current.serve(await current.setting());
    await builder.session.ensurePath(buildPath("empty", "0000000007"));
    await until("the build is seen", () => builder.view.image("empty")?.builds.length === 1);
    for await (const { datum } of images.exportImageData({})) assert.doesNotMatch(datum?.path ?? "", /empty/);
  });
});
