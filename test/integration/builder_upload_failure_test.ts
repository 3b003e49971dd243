// Uploads that overtake each other or are cut off, and images whose builder, or whose record, was away.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import { buildPath, buildRequestPath, imagePath } from "../../lib/model/paths.ts";
import type { ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { BuilderCase } from "../harness/builder.ts";
import { firstUpload, readyUploads, states, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startSlowWire } from "../harness/slow_wire.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let one: BuilderCase;
let cloud: FakeImageProvider;

describe("uploads and images of builders in trouble", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
  });

  test("the newest build is the newest upload, also when the builder of an older one hears late of it", async () => {
    const wire = await startSlowWire(cases.server, { pauseMs: 100, part: 1 });
    const given = await ubuntuAt(one, cloud);
    let goOn = () => {};
    cloud.gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const far = await BuilderCase.at(wire, one.folder).start(given, {
      name: "far",
      sessionTimeoutMs: 10_000,
    });
    try {
      await until("the older upload runs", () => cloud.calls.length === 1);
      const driver = new FakeImageProvider("cloud");
      const near = await one.start(
        { ...given, providers: [{ driver, images: ["ubuntu"] }] },
        { name: "near" },
      );
      const older = near.builds("ubuntu")[0]?.build;
      await far.take(await ubuntuAt(one, cloud, { pause: true }));
      await near.session.ensurePath(buildRequestPath("ubuntu"));
      const newer = await firstUpload(near);
      assert.notEqual(newer.build, older);
      goOn();
      await until("both uploads", () => readyUploads(near).length === 2);
      const late = readyUploads(near).find(({ build }) => build === older);
      assert.ok(
        (late?.record?.stateTime ?? Infinity) < (newer.record?.stateTime ?? 0),
        "the older one is taken",
      );
    } finally {
      goOn();
      await far.stop();
      await wire.close();
    }
  });

  test("the newest build is the newest upload, also when it is written between an older one's look and its write", async () => {
    const given = await ubuntuAt(one, cloud);
    /** Holds up the write by which an upload becomes ready. */
    const holdUp = () => {
      const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const spoil = (session: ZooKeeperSession) => {
        const multi = session.multi.bind(session);
        session.multi = async (operations) => {
          const isReady = operations.some(
            (each) =>
              each.kind === "set" && /"external_id": ?"image-/.test(new TextDecoder().decode(each.data)),
          );
          if (isReady) held.resolve();
          if (isReady) await free.promise;
          return await multi(operations);
        };
      };
      return { held: held.promise, free: free.resolve, spoil };
    };
    let goOn = () => {};
    cloud.gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const [first, second] = [holdUp(), holdUp()];
    const old = await one.start(given, { name: "old", spoil: first.spoil });
    try {
      await until("the older upload runs", () => cloud.calls.length === 1);
      const older = old.builds("ubuntu")[0]?.build;
      await old.take(await ubuntuAt(one, cloud, { pause: true }));
      const driver = new FakeImageProvider("cloud");
      const providers = [{ driver, images: ["ubuntu"] }];
      const young = await one.start({ ...given, providers }, { name: "young", spoil: second.spoil });
      await young.session.ensurePath(buildRequestPath("ubuntu"));
      await second.held;
      goOn();
      await first.held;
      second.free();
      const newer = await firstUpload(young);
      first.free();
      await until("both uploads", () => readyUploads(young).length === 2);
      const late = readyUploads(young).find(({ build }) => build === older);
      assert.ok(
        (late?.record?.stateTime ?? Infinity) < (newer.record?.stateTime ?? 0),
        "the older one is taken",
      );
    } finally {
      goOn();
      first.free();
      second.free();
    }
  });

  test("an upload that was cut off is found at the provider, deleted there, and repeated", async () => {
    const given = await ubuntuAt(one, cloud);
    cloud.hang = true;
    const killed = await one.start(given);
    await until("the image is at the provider", () => cloud.images.size === 1);
    await killed.crash();
    cloud.hang = false;
    const again = await one.start(given);
    const upload = await firstUpload(again);
    await until("one upload", () => again.uploads("ubuntu").length === 1);
    assert.deepEqual([...cloud.images.keys()], [upload.record?.externalId]);
  });

  test("an upload that takes too long fails with the limit's name", async () => {
    cloud.hang = true;
    const given = await ubuntuAt(one, cloud);
    const providers = [{ driver: cloud, images: ["ubuntu"], config: { imageUploadTimeout: 0.2 } }];
    const lines: string[] = [];
    const line = (message: string, fields?: object) => lines.push(`${message} ${JSON.stringify(fields)}`);
    const logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
    const builder = await one.start({ ...given, providers }, { logger });
    await until("a failed upload", () => builder.uploads("ubuntu")[0]?.record?.state === "failed");
    assert.match(lines.join("\n"), /upload failed .*longer than image-upload-timeout \(0\.2 s\)/);
  });

  test("an empty ZooKeeper does not make a builder delete its images; with the old one they are used again", async () => {
    const given = await ubuntuAt(one, cloud);
    const builder = await one.start(given);
    const { build } = await firstUpload(builder);
    await builder.stop();
    const elsewhere = await one.start({ ...given, images: {} }, { chroot: `${one.folder}-empty` });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok((await elsewhere.files()).includes(`ubuntu-${build}.qcow2`));
    await elsewhere.stop();
    const other = await one.start(given, { chroot: `${one.folder}-foreign` });
    const foreign = await firstUpload(other);
    assert.ok((await other.files()).includes(`ubuntu-${build}.qcow2`));
    await other.stop();
    const back = await one.start(given);
    await until("the view", () => states(back.builds("ubuntu")).join() === "ready");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok((await back.files()).includes(`ubuntu-${foreign.build}.qcow2`));
    assert.equal(back.builds("ubuntu")[0]?.build, build);
  });

  test("files of a build that was deleted while its builder was away go when it is back", async () => {
    const given = await ubuntuAt(one, cloud);
    const builder = await one.start(given);
    const { build } = await firstUpload(builder);
    await builder.stop();
    const other = await one.start({ images: {}, providers: [] }, { name: "other" });
    await other.session.deleteRecursive(buildPath("ubuntu", build));
    const back = await one.start(given);
    await until("the files are gone", async () => !(await back.files()).some((file) => file.includes(build)));
  });

  test("files that a Python builder has left here are adopted by their records, and rotate as ours do", async () => {
    const outside = await one.start({ images: {}, providers: [] }, { name: "a" });
    const id = await readFile(join(outside.imagesDir, "builder_id.txt"), "utf8");
    const build = "0".repeat(32);
    await writeFile(join(outside.imagesDir, `ubuntu-${build}.qcow2`), "python");
    await writeFile(join(outside.imagesDir, "notes-1.txt"), "mine");
    await outside.session.ensurePath(`${imagePath("ubuntu")}/builds`);
    const record = { state: "ready", state_time: Date.now() / 1000, builder_id: id, formats: "qcow2" };
    const data = new TextEncoder().encode(JSON.stringify(record));
    await outside.session.create(buildPath("ubuntu", build), data, "persistent");
    await outside.stop();
    const builder = await one.start(await ubuntuAt(one, cloud), { name: "a" });
    const upload = await firstUpload(builder);
    assert.equal(upload.build, build);
    assert.equal(cloud.images.get(upload.record?.externalId ?? "")?.content, "python");
    await builder.session.deleteRecursive(buildPath("ubuntu", build));
    await until("the files are gone", async () => !(await builder.files()).includes(`ubuntu-${build}.qcow2`));
    assert.ok((await builder.files()).includes("notes-1.txt"));
  });
});
