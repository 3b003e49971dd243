import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { buildPath, imagePausePath } from "../../lib/model/paths.ts";
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import {
  Build_State,
  BuildAttempt_Result,
  Image_BuildRequest,
  Upload_State,
} from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { type BuilderApi, serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

let zookeeper: ZooKeeperServer;
let one: BuilderCase;
let cloud: FakeImageProvider;
const open: BuilderApi[] = [];

/** A builder behind a real gRPC server, and a client of it. */
async function serve(
  setting: BuilderSetting,
  given: Parameters<BuilderCase["start"]>[1] = {},
): Promise<{ builder: TestBuilder; images: Clients["images"] }> {
  const builder = await one.start(setting, given);
  const api = await serveBuilder(builder);
  open.push(api);
  return { builder, images: api.images };
}

async function setting(given: BuilderSetting["images"][string] = {}): Promise<BuilderSetting> {
  const dibCommand = await one.plainCommand();
  return { images: { ubuntu: { dibCommand, ...given } }, providers: [{ driver: cloud, images: ["ubuntu"] }] };
}

/** The call fails with this status code and a message like this. */
async function refused(call: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const uploaded = (builder: TestBuilder) =>
  until("a ready upload", () => builder.uploads("ubuntu").find(({ record }) => record?.state === "ready"));

describe("ImageService on a real ZooKeeper", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    zookeeper = await startZooKeeper();
  });
  after(() => zookeeper.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(zookeeper);
    cloud = new FakeImageProvider("cloud");
  });
  afterEach(async () => {
    await writeFile(join(one.folder, "go"), "");
    for (const api of open.splice(0)) await api.close();
    await one.end();
  });

  test("lists images, builds and uploads with their states", async () => {
    const { builder, images } = await serve(await setting());
    const { build, upload } = await uploaded(builder);
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
    const { builder, images } = await serve(await setting({ rebuildAge: 0.3 }));
    await until(
      "two builds",
      () => builder.builds("ubuntu").filter(({ record }) => record?.state === "ready").length >= 2,
    );
    await images.pauseImage({ name: "images/ubuntu" });
    await until("quiet", () => builder.builds("ubuntu").length === 2);
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

  test("builds on request, at once, in one trace from the caller to the upload", async () => {
    const exporter = new InMemorySpanExporter();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    try {
      const { builder, images } = await serve(await setting());
      await uploaded(builder);
      exporter.reset();
      let traceId = "";
      await withSpan("caller", {}, async (span) => {
        traceId = span.spanContext().traceId;
        const { image } = await images.buildImage({ name: "images/ubuntu" });
        assert.notEqual(image?.buildRequest, undefined);
      });
      await until("a second upload", () => builder.uploads("ubuntu").length === 2);
      const span = (name: string) =>
        until(name, () => exporter.getFinishedSpans().find((candidate) => candidate.name === name));
      const build = await span("image.build");
      const upload = await span("image.upload");
      assert.equal(build.spanContext().traceId, traceId);
      assert.equal(upload.parentSpanContext?.spanId, build.spanContext().spanId);
    } finally {
      trace.disable();
      context.disable();
    }
  });

  test("a request that waits is pending, and repeating it changes nothing", async () => {
    const { images } = await serve(await setting());
    await images.pauseImage({ name: "images/ubuntu" });
    await images.buildImage({ name: "images/ubuntu" });
    const { image } = await images.buildImage({ name: "images/ubuntu" });
    assert.equal(image?.buildRequest, Image_BuildRequest.BUILD_REQUEST_PENDING);
    assert.ok(image?.buildRequestTime instanceof Date);
  });

  test("pauses an image that ZooKeeper does not know yet, and resumes it", async () => {
    const { builder, images } = await serve(await setting({ formats: [] }));
    const paused = await images.pauseImage({ name: "images/ubuntu" });
    assert.equal(paused.image?.paused, true);
    assert.equal(builder.view.image("ubuntu")?.paused, true);
    const resumed = await images.resumeImage({ name: "images/ubuntu" });
    assert.equal(resumed.image?.paused, false);
    assert.equal((await images.resumeImage({ name: "images/ubuntu" })).image?.paused, false);
  });

  test("refuses what cannot be, and says what to do", async () => {
    const given = await setting();
    const images = { ...given.images, held: { pause: true }, bare: { formats: [] } };
    const { builder, images: client } = await serve({ ...given, images });
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
    await refused(
      client.resumeImage({ name: "images/held" }),
      "FAILED_PRECONDITION",
      /image held stays paused/,
    );
  });

  test("deletes an upload and a build; not what is under way", async () => {
    const wait = 'while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { builder, images } = await serve(await setting({ dibCommand: await one.command(wait) }));
    const running = await until("a build", () => builder.builds("ubuntu")[0]);
    const name = `images/ubuntu/builds/${running.build}`;
    await refused(
      images.deleteBuild({ name }),
      "FAILED_PRECONDITION",
      /build .* in progress at one.example.org/,
    );
    await writeFile(join(one.folder, "go"), "");
    const { upload } = await uploaded(builder);
    const uploadName = `${name}/providers/cloud/uploads/${upload}`;
    const deleted = await images.deleteUpload({ name: uploadName });
    assert.equal(deleted.upload?.state, Upload_State.STATE_DELETING);
    await until("it is gone", () => !builder.uploads("ubuntu").some((one) => one.upload === upload));
    const { build } = await images.deleteBuild({ name });
    assert.equal(build?.state, Build_State.STATE_DELETING);
    await until("it is gone", () => !builder.builds("ubuntu").some((one) => one.build === running.build));
  });

  test("shows why an image is not built: its last error", async () => {
    const { images } = await serve(await setting({ dibCommand: "no-such-dib" }));
    const image = await until("the error", async () => {
      const [found] = (await images.listImages({})).images;
      return found?.lastError === "" ? null : found;
    });
    assert.match(image.lastError, /cannot run no-such-dib: no such program in PATH/);
    assert.match(image.reason, /the last attempt failed .*; the next is at |under way|being built/);
  });

  test("sends the log of a running build from its beginning to its end", async () => {
    const lines =
      'echo first; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo last; echo x >"$out.qcow2"';
    const { builder, images } = await serve(await setting({ dibCommand: await one.command(lines) }));
    const { build } = await until("a build", () => builder.builds("ubuntu")[0]);
    const name = `images/ubuntu/builds/${build}`;
    await until("its log", () =>
      images
        .watchBuildLog({ name })
        [Symbol.asyncIterator]()
        .next()
        .catch(() => null),
    );
    let text = "";
    for await (const piece of images.watchBuildLog({ name })) {
      text += piece.text;
      if (text === "first\n") await writeFile(join(one.folder, "go"), "");
    }
    assert.match(text, /^first\nlast\nDuration: \d+\.\d s\nExit code: 0\n$/);
  });

  test("names the builder that has a log", async () => {
    const given = await setting();
    const { builder } = await serve(given, { name: "a" });
    const { build } = await uploaded(builder);
    const { builder: other, images } = await serve(given, { name: "b" });
    await until("it is seen", () => other.builds("ubuntu")[0]);
    const read = async () => {
      for await (const _ of images.watchBuildLog({ name: `images/ubuntu/builds/${build}` }));
    };
    await refused(
      read(),
      "FAILED_PRECONDITION",
      /the log of build .* is at builder a.example.org, not at b.example.org/,
    );
  });

  test("a watch begins with everything, then tells each change and what is gone, and resumes", async () => {
    const { builder, images } = await serve(await setting());
    const { build } = await uploaded(builder);
    const cancel = new AbortController();
    const seen: string[] = [];
    let token = "";
    const watching = (async () => {
      for await (const { event, resumeToken } of images.watchImages({}, { signal: cancel.signal })) {
        token = resumeToken === "" ? token : resumeToken;
        if (event?.$case === "bookmark") seen.push(`bookmark ${event.value.synced}`);
        else if (event?.$case === "deleted") seen.push(`deleted ${event.value}`);
        else if (event !== undefined) seen.push(`${event.$case} ${event.value.name}`);
      }
    })().catch(() => undefined);
    await until("the snapshot", () => seen.includes("bookmark true"));
    const name = `images/ubuntu/builds/${build}`;
    assert.deepEqual(seen.slice(0, 3), [
      ...["image images/ubuntu", `build ${name}`, `upload ${name}/providers/cloud/uploads/0000000001`],
    ]);
    await images.deleteBuild({ name });
    await until("it is told", () => seen.includes(`deleted ${name}`));
    cancel.abort();
    await watching;
    const again = images.watchImages({ resumeToken: token })[Symbol.asyncIterator]();
    const first = await again.next();
    assert.notEqual(first.value?.resumeToken, "");
    await again.return?.();
    const stale = images.watchImages({ resumeToken: "gone.1" })[Symbol.asyncIterator]();
    await refused(stale.next(), "OUT_OF_RANGE", /watch again/);
  });

  test("a build tells what it is doing", async () => {
    const lines =
      'echo "dib-run-parts Running /h/install.d/1"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { images } = await serve(await setting({ dibCommand: await one.command(lines) }));
    await until("the progress", async () => {
      const { builds } = await images.listBuilds({ parent: "images/ubuntu" });
      const names = builds[0]?.phases.map(({ name }) => name) ?? [];
      return builds[0]?.progress === "installing" && names.join() === "installing";
    });
    await writeFile(join(one.folder, "go"), "");
  });

  test("tells what became of builds, also of those that are gone: why, how long, what failed, what they took", async () => {
    const lines =
      'echo "dib-run-parts Running /h/install.d/1"; [ -e "$here/ok" ] || { touch "$here/ok"; echo bad element; exit 3; }; echo x >"$out.qcow2"';
    const { builder, images } = await serve(await setting({ dibCommand: await one.command(lines) }));
    const { build } = await uploaded(builder);
    await until("the failed build is gone", () => builder.builds("ubuntu").length === 1);
    const { attempts } = await images.listBuildHistory({ parent: "images/-" });
    const [ready, failed] = attempts;
    assert.equal(attempts.length, 2);
    assert.equal(ready?.name, `images/ubuntu/builds/${build}`);
    assert.equal(ready?.result, BuildAttempt_Result.RESULT_READY);
    assert.equal(ready?.reason, "there is no ready build");
    assert.equal(ready?.exitCode, 0);
    assert.ok(Number(ready?.sizes.qcow2) > 0);
    assert.equal(failed?.result, BuildAttempt_Result.RESULT_FAILED);
    assert.equal(failed?.exitCode, 3);
    assert.match(failed?.error ?? "", /ended with status 3: bad element; its log is /);
    assert.equal(failed?.phases[0]?.name, "installing");
    assert.ok((failed?.endTime?.getTime() ?? 0) >= (failed?.startTime?.getTime() ?? Infinity));
    const page = await images.listBuildHistory({ parent: "images/ubuntu", pageSize: 1 });
    assert.notEqual(page.nextPageToken, "");
  });

  test("a build whose builder went away is told as interrupted", async () => {
    const lines = 'touch "$here/run"; while [ ! -e "$here/go" ]; do sleep 0.05; done';
    const given = await setting({ dibCommand: await one.command(lines) });
    const killed = await one.start(given, { name: "a" });
    await until("a build", () => existsSync(join(one.folder, "run")));
    await killed.crash();
    const { builder, images } = await serve({ images: {}, providers: given.providers }, { name: "a" });
    await until("its record is gone", () => builder.builds("ubuntu").length === 0);
    const { attempts } = await images.listBuildHistory({ parent: "images/ubuntu" });
    assert.equal(attempts[0]?.result, BuildAttempt_Result.RESULT_INTERRUPTED);
    assert.match(attempts[0]?.error ?? "", /its builder went away/);
  });

  test("exports image data as Nodepool does, and another ZooKeeper takes them to the letter; numbers go on", async () => {
    const given = await setting();
    const { builder, images } = await serve(given);
    const { build, upload } = await uploaded(builder);
    await images.pauseImage({ name: "images/ubuntu" });
    const read = async (from: Clients["images"]) => {
      const data = [];
      for await (const { datum } of from.exportImageData({})) if (datum !== undefined) data.push(datum);
      return data;
    };
    const exported = await read(images);
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
    const elsewhere = { chroot: `${one.folder}-new`, name: "two" };
    const { builder: other, images: target } = await serve({ images: {}, providers: [] }, elsewhere);
    assert.equal((await target.importImageData({ data: later })).written, 3);
    assert.equal((await target.importImageData({ data: later })).written, 0);
    assert.deepEqual(await read(target), later);
    const changed = [{ path, data: record.replace("qcow2", "raw") }];
    await refused(
      target.importImageData({ data: changed }),
      "FAILED_PRECONDITION",
      /is there already, with other/,
    );
    const foreign = [{ path: "/nodepool/nodes/0000000001", data: "{}" }];
    await refused(target.importImageData({ data: foreign }), "INVALID_ARGUMENT", /no build, upload or pause/);
    const broken = [{ path, data: "{" }];
    await refused(target.importImageData({ data: broken }), "INVALID_ARGUMENT", /cannot be imported/);
    const folder = `${path}/providers/cloud/images/`;
    const next = await other.session.create(folder, new Uint8Array(), "persistent-sequential");
    assert.equal(next, `${folder}0000000008`);
    await other.session.delete(next, -1);

    // Back on its own disk, the builder goes by the new ZooKeeper: the files are its build's, and go with it.
    const back = await one.start(given, { chroot: elsewhere.chroot });
    await until("the build", () => back.builds("ubuntu").length === 1);
    assert.ok((await back.files()).includes(`ubuntu-${build}.qcow2`));
    await back.stop();
    await other.session.deleteRecursive(path);
    const again = await one.start(given, { chroot: elsewhere.chroot });
    await until(
      "the files are gone",
      async () => !(await again.files()).some((file) => file.includes(build)),
    );
  });

  test("a build that cannot fit does not begin, and the API says so", async () => {
    const first = await one.start(await setting());
    await uploaded(first);
    await first.stop();
    const full = { free: 0, device: 1 };
    const { images } = await serve(await setting({ rebuildAge: 0.1 }), { disk: () => full });
    await until("the reason", async () => {
      const [image] = (await images.listImages({})).images;
      return /older than rebuild-age .*, but it needs 1 MiB .* 0 MiB are free: free some space/.test(
        image?.reason ?? "",
      );
    });
  });
});
