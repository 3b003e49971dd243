// A builder whose connection to ZooKeeper breaks while it starts.
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { buildsPath, imageHistoryPath } from "../../lib/model/paths.ts";
import type { ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { ZooKeeperError } from "../../lib/zookeeper/types.ts";
import type { BuilderCase } from "../harness/builder.ts";
import { firstUpload, readyUploads, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

/** Breaks the first call of its kind that is about a path. */
function breakOnce(session: ZooKeeperSession, method: "exists" | "get", path: string): { broken: boolean } {
  const state = { broken: false };
  const real = session[method].bind(session) as (path: string) => Promise<never>;
  session[method] = async (asked: string) => {
    if (state.broken || asked !== path) return await real(asked);
    state.broken = true;
    throw new ZooKeeperError("CONNECTION_LOSS", "the connection broke before the answer", path);
  };
  return state;
}

describe("a builder that loses its connection while it starts", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  let one: BuilderCase;
  let cloud: FakeImageProvider;
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
  });

  test("goes on with its images when the connection is there again", async () => {
    const given = await ubuntuAt(one, cloud);
    const before = await one.start(given);
    const { build } = await firstUpload(before);
    await before.stop();
    const broken: { broken: boolean }[] = [];
    const builder = await one.start(given, {
      spoil: (session) => {
        broken.push(breakOnce(session, "get", imageHistoryPath("ubuntu")));
        broken.push(breakOnce(session, "exists", buildsPath("ubuntu")));
      },
    });
    assert.deepEqual(broken, [{ broken: true }, { broken: true }]);
    const another = new FakeImageProvider("another");
    await builder.take({
      ...given,
      providers: [cloud, another].map((driver) => ({ driver, images: ["ubuntu"] })),
    });
    await until("the build at both", () => readyUploads(builder).length === 2);
    assert.deepEqual(
      builder.builds("ubuntu").map((entry) => entry.build),
      [build],
    );
  });

  test("takes its folder over when it loses it as soon as the builder before has ended", async () => {
    const given = await ubuntuAt(one, cloud);
    const first = await one.start(given);
    const { build } = await firstUpload(first);
    let broken = { broken: false };
    const second = await one.start(given, {
      spoil: (session) => {
        broken = breakOnce(session, "exists", buildsPath("ubuntu"));
      },
    });
    await first.stop();
    const another = new FakeImageProvider("another");
    await second.take({
      ...given,
      providers: [cloud, another].map((driver) => ({ driver, images: ["ubuntu"] })),
    });
    await until("the build at both", () => readyUploads(second).length === 2);
    assert.equal(broken.broken, true);
    assert.deepEqual(
      second.builds("ubuntu").map((entry) => entry.build),
      [build],
    );
  });
});
