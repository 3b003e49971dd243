// Builds whose builder stops, is killed, or loses its session, its lock or its record.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { encodeBuild, encodeUpload, newBuild, newUpload } from "../../lib/model/image.ts";
import { buildPath, buildsLockPath, imagePath, uploadPath, uploadsPath } from "../../lib/model/paths.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import { signalGroup } from "../../services/builder/process_group.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startSlowWire } from "../harness/slow_wire.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

let server: ZooKeeperServer;
let one: BuilderCase;
let cloud: FakeImageProvider;

function setting(dibCommand: string): BuilderSetting {
  return { images: { ubuntu: { dibCommand } }, providers: [{ driver: cloud, images: ["ubuntu"] }] };
}

/** A build that says when it runs, and goes on when the test has made `go`. */
const gated = () =>
  one.command(
    'echo $$ >"$here/pid"; echo "$out" >>"$here/runs"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo "$out" >"$out.qcow2"',
  );
const go = () => writeFile(join(one.folder, "go"), "");
const runs = async () => {
  const text = await readFile(join(one.folder, "runs"), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
};
const running = (count: number) => until(`build ${count} runs`, async () => (await runs()).length >= count);
const pid = async () => Number(await readFile(join(one.folder, "pid"), "utf8"));

/** The first build, as soon as it is to be seen: its command runs before. */
const firstBuild = (builder: TestBuilder) => until("its record", () => builder.builds("ubuntu")[0]);
const states = (builder: TestBuilder) => builder.builds("ubuntu").map(({ record }) => record?.state);
const uploaded = (builder: TestBuilder) =>
  until("a ready upload", () => builder.uploads("ubuntu").find(({ record }) => record?.state === "ready"));

describe("builds of builders in trouble", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(server);
    cloud = new FakeImageProvider("cloud");
  });
  afterEach(async () => {
    await go();
    await one.end();
  });

  test("two builders build an image once, and the one that has the files uploads it once", async () => {
    const given = setting(await gated());
    const [a, b] = await Promise.all([one.start(given, { name: "a" }), one.start(given, { name: "b" })]);
    await running(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await go();
    await uploaded(a);
    await until("both see it", () => states(b).join() === "ready");
    assert.equal((await runs()).length, 1);
    assert.equal(cloud.calls.length, 1);
  });

  test("a builder that is stopped ends its build, says so, and leaves the image to the next", async () => {
    const builder = await one.start(setting(await gated()));
    await running(1);
    const group = await pid();
    const observer = await one.start({ images: {}, providers: [] }, { name: "observer" });
    await builder.stop();
    assert.equal(signalGroup(group, 0), false, "the build command lives");
    await catchUp(observer, imagePath("ubuntu"));
    assert.deepEqual(states(observer), ["failed"]);
    assert.deepEqual(observer.view.image("ubuntu")?.lock.contenders, []);
    const [run = ""] = await runs();
    const log = await readFile(join(builder.logDir, `${run.slice(run.lastIndexOf("/") + 1)}.log`), "utf8");
    assert.match(log, /the build was cancelled: the builder is stopping\n$/);
    assert.deepEqual(await builder.files(), []);
    await go();
    await uploaded(await one.start(setting(await one.plainCommand())));
  });

  test("a builder that was killed in a build starts anew, and its remains are removed", async () => {
    const given = setting(await gated());
    const killed = await one.start(given);
    await running(1);
    const [run = ""] = await runs();
    const build = run.slice(-32);
    await writeFile(join(killed.imagesDir, `ubuntu-${build}.raw`), "half an image");
    await writeFile(join(killed.imagesDir, `ubuntu-${"0".repeat(32)}.nodepool.json.new`), "half a marker");
    await killed.crash();
    const again = await one.start(given);
    await running(2);
    await until(
      "the killed build is gone",
      () => !again.builds("ubuntu").some((entry) => entry.build === build),
    );
    await until("its files are gone", async () =>
      (await again.files()).every((file) => !file.includes(build) && !file.endsWith(".new")),
    );
    await go();
    await uploaded(again);
  });

  test("another builder takes over the image of one that was killed, after the grace", async () => {
    const given = setting(await gated());
    const killed = await one.start(given, { name: "a" });
    await running(1);
    const other = await one.start(given, { name: "b" });
    // Before, for the other one may see it sooner than we hear that it was done.
    const crashed = Date.now();
    await killed.crash();
    await running(2);
    assert.ok(Date.now() - crashed >= 300, "it did not wait");
    await go();
    const upload = await uploaded(other);
    assert.equal(upload.build, (await runs())[1]?.slice(-32));
    await until("the killed build is gone", () => other.builds("ubuntu").length === 1);
  });

  test("another builder builds anew what a builder that went for good has not uploaded", async () => {
    const given = setting(await one.plainCommand());
    const gone = await one.start({ ...given, providers: [] }, { name: "a" });
    const { build } = await until("a build", () =>
      gone.builds("ubuntu").find(({ record }) => record?.state === "ready"),
    );
    await gone.stop();
    const other = await one.start(given, { name: "b", awayGrace: 1 });
    const upload = await uploaded(other);
    assert.notEqual(upload.build, build);
    const back = await one.start(given, { name: "a" });
    await until("both builds stay", () => states(back).join() === "ready,ready");
    assert.ok((await back.files()).includes(`ubuntu-${build}.qcow2`));
  });

  test("a build outlives its ZooKeeper session: the lock is taken back and the result counts", async () => {
    const given = setting(await gated());
    const builder = await one.start(given, { name: "a" });
    // Either of two may begin a build: the other one comes when it is clear whose session carries the lock.
    await running(1);
    const other = await one.start(given, { name: "b", takeoverGrace: 20 });
    const before = builder.view.image("ubuntu")?.lock.contenders[0];
    assert.notEqual(before, undefined);
    await server.expire(builder.session);
    await until("the lock is held anew", () => {
      const [contender] = other.view.image("ubuntu")?.lock.contenders ?? [];
      return contender !== undefined && contender !== before;
    });
    await go();
    const upload = await uploaded(other);
    assert.equal(upload.build, (await runs())[0]?.slice(-32));
    assert.equal((await runs()).length, 1);
  });

  test("a build whose record was cleaned up meanwhile counts, if nobody has begun another", async () => {
    const builder = await one.start(setting(await gated()));
    await running(1);
    const entry = await firstBuild(builder);
    await builder.session.delete(buildPath("ubuntu", entry.build), -1);
    await go();
    assert.equal((await uploaded(builder)).build, entry.build);
  });

  test("a build whose record was cleaned up meanwhile counts, though an older one was condemned since", async () => {
    const observer = await one.observe();
    const older = "0".repeat(32);
    const ready = newBuild(1, { state: "ready", builder: "gone", builderId: "gone", formats: "qcow2" });
    const upload = newUpload(1, { state: "ready", externalId: "theirs" });
    await observer.session.ensurePath(uploadsPath("ubuntu", older, "elsewhere"));
    await observer.session.set(buildPath("ubuntu", older), encodeBuild(ready), -1);
    const path = uploadPath("ubuntu", older, "elsewhere", "0000000001");
    await observer.session.create(path, encodeUpload(upload), "persistent");
    const builder = await one.start(setting(await gated()));
    await running(1);
    const build = (await runs())[0]?.slice(-32) ?? "";
    const condemned = { ...ready, state: "deleting", stateTime: Date.now() / 1000 } as const;
    await observer.session.set(buildPath("ubuntu", older), encodeBuild(condemned), -1);
    await observer.session.delete(buildPath("ubuntu", build), -1);
    await go();
    const { build: counted } = await until("an upload", () =>
      builder
        .uploads("ubuntu")
        .find(({ provider, record }) => provider === "cloud" && record?.state === "ready"),
    );
    assert.equal(counted, build);
  });

  test("a build does not count when another one was begun meanwhile, also if that has ended first", async () => {
    const proxy = new TcpProxy(server);
    await proxy.listen();
    const command = await one.command(
      'echo "$out" >>"$here/runs"; n=$(wc -l <"$here/runs"); while [ ! -e "$here/go" ] && [ ! -e "$here/go$n" ]; do sleep 0.05; done; echo "$out" >"$out.qcow2"',
    );
    const lines: string[] = [];
    const line = (message: string) => lines.push(message);
    const logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
    const first = await BuilderCase.at(proxy, one.folder).start(setting(command), { name: "a", logger });
    try {
      await running(1);
      const second = await one.start(setting(command), { name: "b" });
      proxy.mode = "silent";
      await server.expire(first.session);
      await running(2);
      await writeFile(join(one.folder, "go1"), "");
      proxy.mode = "cut";
      proxy.mode = "pass";
      await until("it is in line", () => (second.view.image("ubuntu")?.lock.contenders.length ?? 0) > 1);
      await writeFile(join(one.folder, "go2"), "");
      const [older = "", newer = ""] = (await runs()).map((run) => run.slice(-32));
      await until("it has ended", () => lines.includes("build dropped") || lines.includes("build ready"));
      assert.ok(lines.includes("build dropped"), `build ${older} counts`);
      await until("one build", () => states(second).join() === "ready");
      assert.equal((await uploaded(second)).build, newer);
    } finally {
      await go();
      await first.stop();
      await proxy.close();
    }
  });

  test("a build whose place in the lock's line somebody has taken away counts", async () => {
    const builder = await one.start(setting(await gated()));
    await running(1);
    const contender = await until("its lock", () => builder.view.image("ubuntu")?.lock.contenders[0]);
    await builder.session.delete(`${buildsLockPath("ubuntu")}/${contender}`, -1);
    await go();
    await uploaded(builder);
    assert.equal((await runs()).length, 1);
  });

  test("a build that is cancelled ends, also when its builder hears of it last, and nothing has failed", async () => {
    const wire = await startSlowWire(server, { pauseMs: 25, part: 1 });
    const far = await BuilderCase.at(wire, one.folder).start(setting(await gated()), { name: "far" });
    await running(1);
    const warnings: string[] = [];
    const logger = {
      ...silentLogger,
      warn: (message: string) => warnings.push(message),
      child: () => logger,
    };
    const near = await one.start(setting(await gated()), { name: "near", logger });
    const { build } = await until("its record", () =>
      near.builds("ubuntu").find(({ record }) => record?.state === "building"),
    );
    const api = await serveBuilder(near);
    try {
      await api.images.cancelBuild({ name: `images/ubuntu/builds/${build}` });
      await running(2);
      await go();
      await uploaded(near);
      await until("its record is gone", () => near.builds("ubuntu").every((each) => each.build !== build));
      const { attempts } = await api.images.listBuildHistory({ parent: "images/ubuntu" });
      const cancelled = attempts.find(({ name }) => name.endsWith(build));
      assert.match(cancelled?.error ?? "", /an operator has ended it/);
      assert.deepEqual(warnings, []);
    } finally {
      await api.close();
      await far.stop();
      await wire.close();
    }
  });

  test("a build that somebody else has condemned meanwhile is dropped with its files", async () => {
    const builder = await one.start(setting(await gated()));
    await running(1);
    const entry = await firstBuild(builder);
    const document = JSON.stringify({ state: "deleting", state_time: 1 });
    await builder.session.set(buildPath("ubuntu", entry.build), new TextEncoder().encode(document), -1);
    await go();
    const next = await uploaded(builder);
    assert.notEqual(next.build, entry.build);
    await until(
      "its files are gone",
      async () => !(await builder.files()).some((file) => file.includes(entry.build)),
    );
  });

  test("a build goes on while ZooKeeper is away", async () => {
    const builder = await one.start(setting(await gated()));
    await running(1);
    await server.stop();
    await go();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.restart();
    const upload = await uploaded(builder);
    assert.equal(upload.build, (await runs())[0]?.slice(-32));
  });
});
