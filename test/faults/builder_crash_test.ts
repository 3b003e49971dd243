// A real builder process is killed after each named step, then started again, or another takes over first: nothing is
// lost, nothing is left, and at most the step that was under way is done twice.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { encodeBuild, encodeUpload } from "../../lib/model/image.ts";
import { buildPath, imagePath, imagePausePath, uploadPath } from "../../lib/model/paths.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import { CHECKPOINTS, type Checkpoint } from "../../services/builder/checkpoint.ts";
import { findLoopDevices, findMounts, findProcesses } from "../../services/builder/host_remains.ts";
import { BuilderCase, type Observer, type TestBuilder } from "../harness/builder.ts";
import { type CrashWorld, crashCase, crashSetting, UNTIDY } from "../harness/crash_case.ts";
import { casesHere } from "../harness/crash_places.ts";
import { until } from "../harness/launcher.ts";
import { startProgram } from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

/** Generous: the machine may be busy. */
const PATIENCE = 60_000;
const AT_ONCE = 5;
const MODES = ["started again", "taken over first"] as const;
type Mode = (typeof MODES)[number];
const CASES = casesHere(CHECKPOINTS.flatMap((checkpoint) => MODES.map((mode) => ({ checkpoint, mode }))));

let server: ZooKeeperServer;
const waiting: (() => Promise<void>)[] = [];
const outcomes = new Map<string, Promise<unknown>>();

/** Queues a case: several run at once. Its test awaits the outcome: null, or what went wrong. */
function enqueue(key: string, run: () => Promise<void>): void {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  outcomes.set(key, promise);
  waiting.push(() => run().then(() => resolve(null), resolve));
}

async function work(): Promise<void> {
  for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) await run();
}

const phase = (checkpoint: Checkpoint) => checkpoint.slice(0, checkpoint.indexOf(":"));
/** Steps after which the command has ended and there is no result yet: the builder itself can finish the build. */
const UNFINISHED: readonly Checkpoint[] = ["build: command ended", "build: checksums written"];

/** Whether the build command runs twice. */
function isRepeated(checkpoint: Checkpoint, mode: Mode): boolean {
  if (checkpoint === "build: command started") return true;
  return UNFINISHED.includes(checkpoint) && mode === "taken over first";
}

async function crash(checkpoint: Checkpoint, mode: Mode): Promise<void> {
  const one = await BuilderCase.begin(server);
  const { host, port } = server;
  const world: CrashWorld = { host, port, folder: one.folder, dibCommand: await one.command(UNTIDY) };
  const setting = crashSetting(world);
  try {
    const observer = await one.observe();
    const killed = startProgram("test/harness/crashing_builder.ts", [], {
      CRASH_WORLD: JSON.stringify(world),
      CRASH_AT: checkpoint,
    });
    try {
      if (phase(checkpoint).startsWith("delete")) await ask(observer, phase(checkpoint));
      assert.equal(await killed.ended(PATIENCE), null, killed.output());
    } finally {
      await killed.stop("SIGKILL").catch(() => undefined);
    }
    const builders: TestBuilder[] = [];
    if (mode === "taken over first") {
      const other = await crashCase(world).start(setting, { name: "other" });
      builders.push(other);
      await until("the other builder has cleaned up", () => settled(other, checkpoint), PATIENCE);
    }
    const again = await crashCase(world).start(setting, { name: "first" });
    builders.push(again);
    try {
      await until("all is well", () => isWell(again, checkpoint), PATIENCE);
      await check(world, again, builders, checkpoint, mode);
    } catch (error) {
      throw new Error(`${checkpoint}, ${mode}: ${String(error)}\n${await describeWorld(world, observer)}`);
    } finally {
      for (const builder of builders) await builder.stop();
    }
  } finally {
    await one.end();
  }
}

/** Has the upload, or the build, deleted as soon as it is there. A paused image is not built again. */
async function ask(observer: Observer, what: string): Promise<void> {
  const upload = await until("a ready upload", () => readyUpload(observer), PATIENCE);
  const build = observer.builds("ubuntu").find((entry) => entry.build === upload.build);
  assert.ok(upload.record && build?.record);
  const { session } = observer;
  if (what === "delete upload") {
    const path = uploadPath("ubuntu", upload.build, "cloud", upload.upload);
    await session.set(path, encodeUpload({ ...upload.record, state: "deleting" }), -1);
    return;
  }
  await session.ensurePath(imagePausePath("ubuntu"));
  const data = encodeBuild({ ...build.record, state: "deleting" });
  await session.set(buildPath("ubuntu", upload.build), data, -1);
}

const readyUpload = (builder: Observer) =>
  builder.uploads("ubuntu").find(({ record }) => record?.state === "ready");

/** Nothing that the dead builder has begun is still to be seen, as far as another builder can tell. */
function settled(builder: Observer, checkpoint: Checkpoint): boolean {
  const image = builder.view.image("ubuntu");
  if (phase(checkpoint) === "delete build") return image?.builds.length === 0;
  if (image === undefined || image.lock.contenders.length > 0) return false;
  const states = [...image.builds, ...builder.uploads("ubuntu")].map(({ record }) => record?.state);
  return states.includes("ready") && states.every((state) => state === "ready");
}

function isWell(builder: Observer, checkpoint: Checkpoint): boolean {
  if (phase(checkpoint) === "delete build") return builder.builds("ubuntu").length === 0;
  const uploads = builder.uploads("ubuntu");
  return settled(builder, checkpoint) && uploads.length === 1 && builder.builds("ubuntu").length === 1;
}

async function check(
  world: CrashWorld,
  last: TestBuilder,
  builders: readonly TestBuilder[],
  checkpoint: Checkpoint,
  mode: Mode,
): Promise<void> {
  const runs = (await readFile(join(world.folder, "runs"), "utf8")).trim().split("\n");
  assert.equal(runs.length, isRepeated(checkpoint, mode) ? 2 : 1, "builds");
  const [upload, ...more] = last.uploads("ubuntu");
  assert.deepEqual(more, [], "uploads beside the one");
  const kept = phase(checkpoint) === "delete build" ? [] : [upload?.build ?? "no build"];
  assert.deepEqual(
    last.builds("ubuntu").map(({ build }) => build),
    kept,
  );
  if (phase(checkpoint) !== "build" || (UNFINISHED.includes(checkpoint) && mode === "started again")) {
    assert.ok(runs[0]?.endsWith(upload?.build ?? ""), "the image was lost");
  }

  const externalIds = upload === undefined ? [] : [upload.record?.externalId];
  await until("the provider has just the upload", async () => {
    const files = await readdir(join(world.folder, "cloud")).catch(() => []);
    const expected = externalIds.flatMap((id) => [`${id}`, `${id}.content`]);
    return (
      files
        .filter((name) => !name.endsWith(".unborn"))
        .sort()
        .join() === expected.join()
    );
  });
  const stems = kept.map((build) => `ubuntu-${build}`);
  await until("images-dir has just the build", async () => {
    const lists = await Promise.all(builders.map((builder) => builder.files()));
    const expected = stems.flatMap((stem) =>
      ["d", "nodepool.json", "qcow2", "qcow2.md5", "qcow2.sha256"].map((end) => `${stem}.${end}`),
    );
    return lists.flat().sort().join() === expected.sort().join();
  });

  assert.deepEqual(await readdir(join(world.folder, "tmp")), [], "temporary files");
  assert.deepEqual(await findMounts(world.folder), []);
  assert.deepEqual(await findLoopDevices(world.folder), []);
  for (const run of runs) assert.deepEqual(await findProcesses(run.slice(-32), world.folder), []);
  await checkTree(last.session, kept);
}

/** No znode but those of the kept build, no lock that is held. */
async function checkTree(session: Session, kept: readonly string[]): Promise<void> {
  const root = `${imagePath("ubuntu")}/builds`;
  assert.deepEqual(
    (await session.children(root)).filter((name) => name !== "lock"),
    kept,
  );
  const locks: string[] = [];
  const walk = async (path: string) => {
    const children = await session.children(path).catch((error: unknown) => {
      // It has gone meanwhile.
      if (isZooKeeperError(error, "NO_NODE")) return [];
      throw error;
    });
    for (const child of children) {
      if (path.endsWith("/lock")) locks.push(`${path}/${child}`);
      await walk(`${path}/${child}`);
    }
  };
  await until("no lock is held", async () => {
    locks.length = 0;
    await walk(imagePath("ubuntu"));
    return locks.length === 0;
  });
}

async function describeWorld({ folder }: CrashWorld, observer: Observer): Promise<string> {
  const lists = await Promise.all(
    ["cloud", "tmp", "first/images", "other/images"].map(async (name) => [
      name,
      await readdir(join(folder, name)).catch(() => []),
    ]),
  );
  const image = observer.view.image("ubuntu");
  const builds = image?.builds.map(({ build, record, uploads }) => [build, record?.state, uploads]);
  const runs = await readFile(join(folder, "runs"), "utf8").catch(() => "");
  return JSON.stringify({ lists, lock: image?.lock, builds, runs }, null, 1);
}

describe("a builder that is killed after a step", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    server = await startZooKeeper();
    for (const { checkpoint, mode } of CASES) {
      enqueue(`${checkpoint}, ${mode}`, () => crash(checkpoint, mode));
    }
    for (let worker = 0; worker < AT_ONCE; worker += 1) void work();
  });
  after(() => server.close());

  for (const { checkpoint, mode } of CASES) {
    test(`${checkpoint}; ${mode}`, async () => {
      const problem = await outcomes.get(`${checkpoint}, ${mode}`);
      if (problem !== null) throw problem;
    });
  }
});
