// images-dir in the wrong hands: shared by two builders, taken away under a running one, emptied.
import assert from "node:assert/strict";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { buildRequestPath } from "../../lib/model/paths.ts";
import type { Checkpoint } from "../../services/builder/checkpoint.ts";
import { signalGroup } from "../../services/builder/process_group.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { type BuilderApi, serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { startProgram } from "../harness/program.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

let server: ZooKeeperServer;
let one: BuilderCase;
let cloud: FakeImageProvider;
let open: BuilderApi[];

function setting(dibCommand: string, providers = [cloud]): BuilderSetting {
  return {
    images: { ubuntu: { dibCommand } },
    providers: providers.map((driver) => ({ driver, images: ["ubuntu"] })),
  };
}

/** A build that waits for `go`, with its process group's number in `pid`. */
const gated = () =>
  one.command('echo $$ >"$here/pid"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"');
const go = () => writeFile(join(one.folder, "go"), "");
const pid = () =>
  until(
    "a build runs",
    async () => Number(await readFile(join(one.folder, "pid"), "utf8").catch(() => "")) || null,
  );

const uploaded = (builder: TestBuilder, provider = "cloud") =>
  until("a ready upload", () =>
    builder
      .uploads("ubuntu")
      .find((upload) => upload.provider === provider && upload.record?.state === "ready"),
  );

const uploadedBuilds = (builder: TestBuilder) =>
  builder
    .uploads("ubuntu")
    .filter(({ record }) => record?.state === "ready")
    .map(({ build }) => build);

async function saysOf(builder: TestBuilder, reason: RegExp): Promise<void> {
  const api = await serveBuilder(builder);
  open.push(api);
  await until(`the status says ${reason}`, async () => {
    const { images } = await api.images.listImages({});
    return reason.test(images.find(({ name }) => name === "images/ubuntu")?.reason ?? "");
  });
}

describe("images-dir", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(server);
    cloud = new FakeImageProvider("cloud");
    open = [];
  });
  afterEach(async () => {
    for (const api of open) await api.close();
    await one.end();
  });

  test("that another builder has too: the second one stands by, leaves its build alone, and takes over at its end", async () => {
    const given = setting(await gated());
    const first = await one.start(given);
    const group = await pid();
    const second = await one.start(given);
    await saysOf(second, /images-dir .* is in use by the builder at one\.example\.org \(process \d+\)/);
    const [building] = second.builds("ubuntu");
    assert.equal(building?.record?.state, "building");
    assert.ok(signalGroup(group, 0), "the first one's build was ended");
    await go();
    assert.equal((await uploaded(second)).build, building?.build);
    await first.stop();
    const another = new FakeImageProvider("another");
    await second.take(setting("false", [cloud, another]));
    assert.equal((await uploaded(second, "another")).build, building?.build);
  });

  test("that was another builder's while this one was away: it goes on with what is there then", async () => {
    const given = setting(await one.plainCommand());
    const first = await one.start(given);
    const { build } = await uploaded(first);
    const second = await one.start(given);
    await server.expire(first.session);
    await saysOf(first, /images-dir .* is in use by the builder at/);
    await second.session.ensurePath(buildRequestPath("ubuntu"));
    const next = await until("another build", () =>
      uploadedBuilds(second).find((candidate) => candidate !== build),
    );
    await second.stop();
    const another = new FakeImageProvider("another");
    await first.take(setting("false", [cloud, another]));
    assert.equal((await uploaded(first, "another")).build, next);
  });

  test("of a build that another builder has finished while its own was away: the files stay", async () => {
    const proxy = new TcpProxy(server);
    await proxy.listen();
    const given = setting(await one.plainCommand());
    const ended = Promise.withResolvers<void>();
    const reached = (checkpoint: Checkpoint) => {
      if (checkpoint !== "build: command ended") return;
      proxy.mode = "silent";
      ended.resolve();
    };
    const first = await BuilderCase.at(proxy, one.folder).start(given, { reached, sessionTimeoutMs: 10_000 });
    try {
      const second = await one.start(given);
      await ended.promise;
      await server.expire(first.session);
      const { build } = await uploaded(second);
      const lost = new Promise<void>((resolve) =>
        first.session.onState((state) => state === "lost" && resolve()),
      );
      proxy.mode = "cut";
      proxy.mode = "pass";
      await lost;
      await saysOf(first, /images-dir .* is in use by the builder at/);
      await until("nobody builds", () => first.view.image("ubuntu")?.lock.contenders.length === 0);
      await first.stop();
      assert.ok((await second.files()).includes(`ubuntu-${build}.qcow2`));
      assert.deepEqual(
        second.builds("ubuntu").map((entry) => entry.build),
        [build],
      );
    } finally {
      proxy.mode = "cut";
      await proxy.close();
    }
  });

  test("that was taken away: nothing is done, and the status says so, until it is back", async () => {
    const builder = await one.start(setting(await one.plainCommand()));
    const { build } = await uploaded(builder);
    await rename(builder.imagesDir, `${builder.imagesDir}.away`);
    await mkdir(builder.imagesDir);
    const another = new FakeImageProvider("another");
    await builder.take(setting("false", [cloud, another]));
    await saysOf(
      builder,
      /images-dir .* is not what it was when the builder started, .*builder_id.txt is gone: mount/,
    );
    await writeFile(join(builder.imagesDir, "builder_id.txt"), "somebody-else");
    await builder.take(setting("false", [cloud, another]));
    await saysOf(builder, /has become that of another builder .* says somebody-else\)/);
    assert.deepEqual(another.calls, []);
    await rm(builder.imagesDir, { recursive: true });
    await rename(`${builder.imagesDir}.away`, builder.imagesDir);
    await builder.take(setting(await one.plainCommand(), [cloud, another]));
    assert.equal((await uploaded(builder, "another")).build, build);
  });

  test("that was emptied: what a provider lacks is built anew by the builder that starts with it", async () => {
    const given = setting(await one.plainCommand());
    const builder = await one.start(given);
    const { build } = await uploaded(builder);
    await builder.stop();
    await rm(builder.imagesDir, { recursive: true });
    const another = new FakeImageProvider("another");
    const again = await one.start(setting(await one.plainCommand(), [cloud, another]), { awayGrace: 0.5 });
    const upload = await uploaded(again, "another");
    assert.notEqual(upload.build, build);
    assert.equal(again.builds("ubuntu").length, 2);
  });

  test("of a builder that was killed: the next one does not wait for its session's end", async () => {
    const file = join(one.folder, "nodepool.yaml");
    const chroot = one.folder.replaceAll("/", "-").replace(/^-*/, "/");
    const lines = [
      `zookeeper-servers: [{host: 127.0.0.1, port: ${server.port}, chroot: ${chroot}}]`,
      "zookeeper-timeout: 10.0",
      `images-dir: ${join(one.folder, "images")}`,
      `build-log-dir: ${join(one.folder, "logs")}`,
      "diskimages:",
      `- {name: fine, formats: [qcow2], dib-cmd: ${await one.plainCommand()}}`,
    ];
    await mkdir(join(one.folder, "images"));
    await writeFile(file, lines.join("\n"));
    const listen = async () => ["-c", file, "--listen", `127.0.0.1:${await freePort()}`];
    const killed = startProgram("services/builder/main.ts", await listen());
    await killed.waitFor(/"msg":"build ready"/);
    await killed.stop("SIGKILL");
    await writeFile(
      file,
      `${lines.join("\n")}\n- {name: more, formats: [qcow2], dib-cmd: ${await one.plainCommand()}}`,
    );
    const again = startProgram("services/builder/main.ts", await listen());
    try {
      await again.waitFor(/"msg":"build ready"/);
      assert.doesNotMatch(again.output(), /stands by/);
    } finally {
      await again.stop("SIGTERM");
    }
  });
});
