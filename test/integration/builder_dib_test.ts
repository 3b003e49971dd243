// The real disk-image-create under the builder: what formats come out, and what is left when builder or build is ended.
import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { findProgram } from "../../lib/host/machine.ts";
import { type Attempt, readHistory } from "../../services/builder/history.ts";
import { findLoopDevices, findMounts, findProcesses } from "../../services/builder/host_remains.ts";
import { BuilderCase, type BuilderSetting, type Observer } from "../harness/builder.ts";
import { type CrashWorld, crashSetting } from "../harness/crash_case.ts";
import { until } from "../harness/launcher.ts";
import { PROJECT, startProgram } from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

// What disk-image-create does and leaves does not depend on the runtime, and takes a minute: once is enough.
const canBuild =
  !("Deno" in globalThis) &&
  zooKeeperInstalled &&
  process.getuid?.() === 0 &&
  (await findProgram("disk-image-create")) !== null;
/** Generous: a build takes some seconds, on a busy machine minutes. */
const PATIENCE = 400_000;

let server: ZooKeeperServer;
let one: BuilderCase;

/** An image of a few files by the real diskimage-builder; it needs no network. */
function tiny(formats: readonly string[], buildTimeout = 600): BuilderSetting {
  const world: CrashWorld = { host: server.host, port: server.port, folder: one.folder, dibCommand: "" };
  const { images, providers } = crashSetting(world);
  const envVars = {
    ...images.ubuntu?.envVars,
    ELEMENTS_PATH: join(PROJECT, "examples/elements"),
    DIB_JOURNAL_SIZE: "4",
  };
  const image = {
    dibCommand: "disk-image-create -n",
    elements: ["nodepool-tiny"],
    formats,
    envVars,
    buildTimeout,
  };
  return { images: { ubuntu: image }, providers };
}

async function remains(builds: readonly string[]): Promise<string[]> {
  const processes = await Promise.all(builds.map((build) => findProcesses(build, one.folder)));
  const loops = await findLoopDevices(one.folder);
  const files = await readdir(join(one.folder, "tmp")).catch(() => []);
  return [...processes.flat().map(String), ...(await findMounts(one.folder)), ...loops.map(String), ...files];
}

/** Waits for the end of the first build, which must be this one; returns its id. */
async function firstBuild({ session }: Observer, wanted: Attempt["result"]): Promise<string> {
  let attempts: readonly Attempt[] = [];
  const ended = until(
    "the first build has ended",
    async () => {
      attempts = (await readHistory(session, "ubuntu")).attempts;
      return attempts.find(({ result }) => result !== "building");
    },
    PATIENCE,
  );
  const first = await ended.catch((error) => assert.fail(`${error}: ${JSON.stringify(attempts)}`));
  assert.equal(first.result, wanted, JSON.stringify(first));
  return first.build;
}

const mounted = () => until("mounts", async () => (await findMounts(one.folder)).length > 0, PATIENCE);

describe("disk-image-create under the builder", { skip: !canBuild }, () => {
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(server);
  });
  afterEach(() => one.end());

  test("makes every format that is asked for, tar beside tgz and squashfs beside qcow2", async () => {
    const formats = ["qcow2", "raw", "squashfs", "tar", "tgz"];
    const builder = await one.start(tiny(formats));
    const build = await firstBuild(builder, "ready");
    for (const format of formats) {
      const { size } = await stat(join(builder.imagesDir, `ubuntu-${build}.${format}`));
      assert.ok(size > 0, format);
    }
    assert.deepEqual(await remains([build]), []);
  });

  test("leaves nothing when it takes too long", async () => {
    const builder = await one.start(tiny(["raw"], 2));
    const build = await firstBuild(builder, "failed");
    await builder.stop();
    assert.deepEqual(await remains([build]), []);
  });

  test("leaves nothing when the builder is stopped", async () => {
    const builder = await one.start(tiny(["raw"]));
    await mounted();
    const builds = builder.builds("ubuntu").map(({ build }) => build);
    await builder.stop();
    assert.deepEqual(await remains(builds), []);
  });

  test("leaves nothing after the next start when the builder was killed in the middle of it", async () => {
    const { host, port } = server;
    const setting = tiny(["raw"]);
    const observer = await one.observe();
    const killed = startProgram("test/harness/crashing_builder.ts", [], {
      CRASH_WORLD: JSON.stringify({ host, port, folder: one.folder, dibCommand: "" }),
      CRASH_IMAGES: JSON.stringify(setting.images),
    });
    try {
      await mounted();
    } finally {
      await killed.stop("SIGKILL");
    }
    const dead = observer.builds("ubuntu").map(({ build }) => build);
    assert.notDeepEqual(await remains(dead), []);
    const builder = await one.start({ ...setting, images: {} }, { name: "first" });
    assert.deepEqual(await remains(dead), []);
    await until("the record is gone", () => builder.builds("ubuntu").length === 0, PATIENCE);
  });
});
