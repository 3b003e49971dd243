// A builder that finishes a build of the process before it, while its connection or its lock goes.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import { encodeBuild, newBuild } from "../../lib/model/image.ts";
import { buildPath, buildsLockPath, imageHistoryPath } from "../../lib/model/paths.ts";
import type { ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { ZooKeeperError } from "../../lib/zookeeper/types.ts";
import { readAnchor } from "../../services/builder/image_anchor.ts";
import type { BuilderCase, Observer } from "../harness/builder.ts";
import { firstUpload, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const BUILD = "0123456789abcdef0123456789abcdef";
const LOCK = buildsLockPath("ubuntu");

/** What a builder leaves that is killed when the build command has ended. */
async function leaveBuild({ folder }: BuilderCase, { session }: Observer): Promise<void> {
  const images = join(folder, "one", "images");
  await mkdir(images, { recursive: true });
  await writeFile(join(images, "builder_id.txt"), "killed");
  await writeFile(join(images, `ubuntu-${BUILD}.qcow2`), "an image");
  await session.ensurePath(LOCK);
  const record = newBuild(1, { builder: "one.example.org", builderId: "killed", formats: "qcow2" });
  await session.create(buildPath("ubuntu", BUILD), encodeBuild(record), "persistent");
  const anchor = await readAnchor(session, "ubuntu", BUILD);
  const marker = { image: "ubuntu", build: BUILD, traceparent: null, workspace: null, anchor };
  await writeFile(join(images, `ubuntu-${BUILD}.nodepool.json`), JSON.stringify(marker));
}

/** Does something when a path is read for the first time by a session that is in line for the image's lock. */
function atFirstRead(session: ZooKeeperSession, path: string, act: () => Promise<void>): void {
  const { create, get } = session;
  let isInLine = false;
  session.create = async (asked, ...rest) => {
    if (asked.startsWith(LOCK)) isInLine = true;
    return await create.call(session, asked, ...rest);
  };
  session.get = async (asked) => {
    const isFirst = isInLine && asked === path;
    if (isFirst) {
      session.get = get;
      await act();
    }
    return await get.call(session, asked);
  };
}

const breaks = (path: string) => {
  throw new ZooKeeperError("CONNECTION_LOSS", "the connection broke before the answer", path);
};

describe("a build whose command had ended when its builder was killed", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  let one: BuilderCase;
  let cloud: FakeImageProvider;
  let observer: Observer;
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new FakeImageProvider("cloud");
    observer = await one.observe();
    await leaveBuild(one, observer);
  });

  test("is finished although the connection breaks while its lock is taken", async () => {
    const spoil = (session: ZooKeeperSession) => {
      const { create } = session;
      session.create = async (path, ...rest) => {
        if (!path.startsWith(LOCK)) return await create.call(session, path, ...rest);
        session.create = create;
        return breaks(path);
      };
    };
    const builder = await one.start(await ubuntuAt(one, cloud), { spoil });
    assert.equal((await firstUpload(builder)).build, BUILD);
  });

  test("is finished although the connection breaks while its history is read", async () => {
    const path = imageHistoryPath("ubuntu");
    const spoil = (session: ZooKeeperSession) => atFirstRead(session, path, async () => breaks(path));
    const builder = await one.start(await ubuntuAt(one, cloud), { spoil });
    assert.equal((await firstUpload(builder)).build, BUILD);
  });

  test("gives its lock back, also one that it took anew when its session had ended", async () => {
    const finished = Promise.withResolvers<void>();
    const line = (message: string) => {
      if (/finished$/.test(message)) finished.resolve();
    };
    const logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
    const spoil = (session: ZooKeeperSession) =>
      atFirstRead(session, imageHistoryPath("ubuntu"), async () => {
        const ready = newBuild(2, { state: "ready", builderId: "killed", formats: "qcow2" });
        await observer.session.set(buildPath("ubuntu", BUILD), encodeBuild(ready), -1);
        await cases.server.expire(session);
      });
    await one.start(await ubuntuAt(one, cloud), { spoil, logger });
    await finished.promise;
    await until("the lock is free", async () => (await observer.session.children(LOCK)).length === 0);
  });
});
