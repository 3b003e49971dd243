import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { imagePausePath } from "../../lib/model/paths.ts";
import { Build_State, Image_BuildRequest, Upload_State } from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { type ApiCase, refused } from "../harness/builder_api.ts";
import { firstUpload } from "../harness/builder_images.ts";
import { until } from "../harness/launcher.ts";
import { builderApiCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let current: ApiCase;

describe("ImageService on a real ZooKeeper", { skip: !zooKeeperInstalled }, () => {
  const cases = builderApiCases();
  beforeEach(async () => {
    current = await cases.begin();
  });

  test("lists images, builds and uploads with their states", async () => {
    const { builder, images } = await current.serve(await current.setting());
    const { build, upload } = await firstUpload(builder);
    const listed = await images.listImages({});
    assert.equal(listed.images.length, 1);
    const [image] = listed.images;
    assert.equal(image?.name, "images/ubuntu");
    assert.equal(image?.configured, true);
    assert.match(image?.reason ?? "", /the newest build is of .*; the next is due at /);
    const { builds } = await images.listBuilds({ parent: "images/ubuntu" });
    assert.equal(builds[0]?.name, `images/ubuntu/builds/${build}`);
    assert.equal(builds[0]?.state, Build_State.STATE_READY);
    assert.deepEqual(builds[0]?.formats, ["qcow2"]);
    assert.equal(builds[0]?.builder, "one.example.org");
    const { uploads } = await images.listUploads({ parent: "images/-" });
    assert.equal(uploads[0]?.name, `images/ubuntu/builds/${build}/providers/cloud/uploads/${upload}`);
    assert.equal(uploads[0]?.state, Upload_State.STATE_READY);
    assert.match(uploads[0]?.externalName ?? "", /^ubuntu-/);
  });

  test("gives builds in pages, oldest first", async () => {
    const { builder, images } = await current.serve(await current.setting({ rebuildAge: 0.3 }));
    await until(
      "two builds",
      () => builder.builds("ubuntu").filter(({ record }) => record?.state === "ready").length >= 2,
    );
    await images.pauseImage({ name: "images/ubuntu" });
    // Who has its lock may be about to begin another one, or be at it.
    await until("quiet", () => {
      const { builds, lock } = builder.view.image("ubuntu") ?? {};
      return builds?.length === 2 && lock?.contenders.length === 0;
    });
    const first = await images.listBuilds({ parent: "images/ubuntu", pageSize: 1 });
    const second = await images.listBuilds({
      parent: "images/ubuntu",
      pageSize: 1,
      pageToken: first.nextPageToken,
    });
    const times = [first, second].map(({ builds }) => builds[0]?.stateTime?.getTime() ?? 0);
    assert.ok((times[0] ?? 0) < (times[1] ?? 0));
    assert.equal(second.nextPageToken, "");
  });

  test("a request that waits is pending, and repeating it changes nothing", async () => {
    // From the beginning: of a build that was begun already the request could be taken for its own.
    const { session } = await current.one.observe();
    await session.ensurePath(imagePausePath("ubuntu"));
    const { images } = await current.serve(await current.setting());
    await images.buildImage({ name: "images/ubuntu" });
    const { image } = await images.buildImage({ name: "images/ubuntu" });
    assert.equal(image?.buildRequest, Image_BuildRequest.BUILD_REQUEST_PENDING);
    assert.ok(image?.buildRequestTime instanceof Date);
  });

  test("pauses an image that ZooKeeper does not know yet, and resumes it", async () => {
    const { builder, images } = await current.serve(await current.setting({ formats: [] }));
    const paused = await images.pauseImage({ name: "images/ubuntu" });
    assert.equal(paused.image?.paused, true);
    assert.equal(builder.view.image("ubuntu")?.paused, true);
    const resumed = await images.resumeImage({ name: "images/ubuntu" });
    assert.equal(resumed.image?.paused, false);
    assert.equal((await images.resumeImage({ name: "images/ubuntu" })).image?.paused, false);
  });

  test("answers a pause and its end with the reason that holds from then on", async () => {
    const { builder, images } = await current.serve(await current.setting());
    await firstUpload(builder);
    const paused = await images.pauseImage({ name: "images/ubuntu" });
    assert.match(paused.image?.reason ?? "", /paused by an operator/);
    const resumed = await images.resumeImage({ name: "images/ubuntu" });
    assert.doesNotMatch(resumed.image?.reason ?? "paused", /paused/);
  });

  test("refuses what cannot be, and says what to do", async () => {
    const given = await current.setting();
    const images = { ...given.images, held: { pause: true }, bare: { formats: [] } };
    const { builder, images: client } = await current.serve({ ...given, images });
    await builder.session.ensurePath("/nodepool/images/foreign/builds");
    await until("it is seen", () => builder.view.image("foreign"));
    await refused(
      client.buildImage({ name: "images/none" }),
      "NOT_FOUND",
      /there is no image 'images\/none'/,
    );
    await refused(client.buildImage({ name: "ubuntu" }), "INVALID_ARGUMENT", /name: 'ubuntu' does not fit/);
    await refused(
      client.buildImage({ name: "images/held" }),
      "FAILED_PRECONDITION",
      /image held is paused in test.yaml/,
    );
    await refused(
      client.buildImage({ name: "images/bare" }),
      "FAILED_PRECONDITION",
      /image bare has no formats/,
    );
    await refused(
      client.buildImage({ name: "images/foreign" }),
      "FAILED_PRECONDITION",
      /image foreign is not in test.yaml/,
    );
    await refused(client.listBuilds({ parent: "images/none" }), "NOT_FOUND", /there is no/);
    await refused(
      client.listBuilds({ parent: "images/ubuntu", pageSize: -1 }),
      "INVALID_ARGUMENT",
      /page_size/,
    );
    await refused(client.deleteBuild({ name: "images/ubuntu/builds/x" }), "NOT_FOUND", /there is no build/);
    await refused(client.deleteUpload({ name: "images/ubuntu/builds/x" }), "INVALID_ARGUMENT", /name/);
    const upload = "images/ubuntu/builds/x/providers/cloud/uploads/1";
    await refused(client.deleteUpload({ name: upload }), "NOT_FOUND", /there is no upload 'images/);
    await refused(
      client.resumeImage({ name: "images/held" }),
      "FAILED_PRECONDITION",
      /image held stays paused/,
    );
  });

  test("deletes an upload and a build; not what is under way", async () => {
    const wait = 'while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { builder, images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(wait) }),
    );
    const running = await until("a build", () => builder.builds("ubuntu")[0]);
    const name = `images/ubuntu/builds/${running.build}`;
    await refused(
      images.deleteBuild({ name }),
      "FAILED_PRECONDITION",
      /build .* in progress at one.example.org/,
    );
    await current.go();
    const { upload } = await firstUpload(builder);
    const uploadName = `${name}/providers/cloud/uploads/${upload}`;
    const [ready] = (await images.listUploads({ parent: "images/ubuntu" })).uploads;
    const deleted = await images.deleteUpload({ name: uploadName });
    assert.equal(deleted.upload?.state, Upload_State.STATE_DELETING);
    assert.ok(Number(deleted.upload?.stateTime) > Number(ready?.stateTime), "when it entered its state");
    await until("it is gone", () => !builder.uploads("ubuntu").some((each) => each.upload === upload));
    const { build } = await images.deleteBuild({ name });
    assert.equal(build?.state, Build_State.STATE_DELETING);
    await until("it is gone", () => !builder.builds("ubuntu").some((each) => each.build === running.build));
  });

  test("shows why an image is not built: its last error", async () => {
    const { images } = await current.serve(await current.setting({ dibCommand: "no-such-dib" }));
    const image = await until("the error", async () => {
      const [found] = (await images.listImages({})).images;
      return found?.lastError === "" ? null : found;
    });
    assert.match(image.lastError, /cannot run no-such-dib: no such program in PATH/);
    assert.match(image.reason, /the last attempt failed .*; the next is at |under way|being built/);
  });

  test("a build that cannot fit does not begin, and the API says so", async () => {
    const first = await current.one.start(await current.setting());
    await firstUpload(first);
    await first.stop();
    const full = { free: 0, device: 1 };
    const { images } = await current.serve(await current.setting({ rebuildAge: 0.1 }), { disk: () => full });
    await until("the reason", async () => {
      const [image] = (await images.listImages({})).images;
      return /older than rebuild-age .*, but it needs 1 MiB .* 0 MiB are free: free some space/.test(
        image?.reason ?? "",
      );
    });
  });
});
