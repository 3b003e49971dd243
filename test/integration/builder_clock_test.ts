import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { Clock } from "../../lib/std/clock.ts";
import { systemClock } from "../../lib/std/clock.ts";
import type { BuilderCase, BuilderSetting, TestBuilder } from "../harness/builder.ts";
import { serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const HOUR = 3_600_000;

let one: BuilderCase;
let cloud: FakeImageProvider;
/** How far the clock is ahead, in milliseconds. */
let ahead = 0;

const clock: Clock = { ...systemClock, now: () => Date.now() + ahead };

const setting = async (): Promise<BuilderSetting> => ({
  images: { ubuntu: { dibCommand: await one.plainCommand() } },
  providers: [{ driver: cloud, images: ["ubuntu"] }],
});
const ready = (builder: TestBuilder) =>
  builder.builds("ubuntu").filter(({ record }) => record?.state === "ready");
const firstBuild = (builder: TestBuilder) => until("a ready build", () => ready(builder)[0]);
/** The uploads that launches may use, the one that they take first. */
const readyUploads = (builder: TestBuilder) =>
  builder
    .uploads("ubuntu")
    .filter(({ record }) => record?.state === "ready")
    .sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));

describe("builders whose clock was ahead", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
    ahead = HOUR;
  });

  test("what replaces a build that is out of reach is built once", async () => {
    const given = await setting();
    const gone = await one.start({ ...given, providers: [] }, { name: "a", clock });
    const { build } = await firstBuild(gone);
    await gone.stop();
    const other = await one.start(given, { name: "b", awayGrace: 0.2 });
    const upload = await until("a ready upload", () => readyUploads(other)[0]);
    assert.notEqual(upload.build, build);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(ready(other).length, 2);
  });

  test("a later build is the newest: it is uploaded, and launches take it", async () => {
    const builder = await one.start(await setting(), { clock });
    const early = await until("the upload", () => readyUploads(builder)[0]);
    ahead = 0;
    const api = await serveBuilder(builder);
    try {
      await api.images.buildImage({ name: "images/ubuntu" });
      const late = await until("the later build", () =>
        ready(builder).find(({ build }) => build !== early.build),
      );
      await until("both uploads", () => readyUploads(builder).length === 2);
      assert.equal(readyUploads(builder)[0]?.build, late.build);
    } finally {
      await api.close();
    }
  });
});
