// Two builders in a storm: builds, uploads and deletions fail, sessions expire, builders crash, operators interfere. All
// the while no provider loses its last good image, and when the storm is over there is exactly what should be.
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { encodeBuild, encodeUpload } from "../../lib/model/image.ts";
import { buildPath, buildRequestPath, imagePausePath, uploadPath } from "../../lib/model/paths.ts";
import type { BuildEntry, UploadEntry } from "../../lib/zookeeper/view.ts";
import { findProcesses } from "../../services/builder/host_remains.ts";
import { readyBuilds } from "../../services/builder/plan.ts";
import { BuilderCase, type BuilderSetting, type Observer, type TestBuilder } from "../harness/builder.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";
import { Random } from "../simulation/random.ts";

/** Seeds to run, as `NODEPOOL_STORM_SEEDS=1,2,3`; a failure names its own. */
const SEEDS = (process.env.NODEPOOL_STORM_SEEDS ?? "1,2").split(",").map(Number);
const STEPS = 40;
const IMAGES = ["debian", "debian-arm"];
const NAMES = ["a", "b"];
const PATIENCE = 60_000;

let server: ZooKeeperServer;

const isReady = ({ record }: BuildEntry | UploadEntry) => record?.state === "ready";

class Storm {
  readonly #one: BuilderCase;
  readonly #random: Random;
  readonly #observer: Observer;
  readonly #clouds = ["north", "south"].map((name) => new FakeImageProvider(name));
  readonly #builders = new Map<string, TestBuilder>();
  readonly #dibCommand: string;
  /** What was done, for a failure's message. */
  readonly log: string[] = [];
  /** Images that a provider has had, as `image at provider`. */
  readonly #served = new Set<string>();

  private constructor(one: BuilderCase, random: Random, observer: Observer, dibCommand: string) {
    this.#one = one;
    this.#random = random;
    this.#observer = observer;
    this.#dibCommand = dibCommand;
  }

  static async begin(one: BuilderCase, seed: number): Promise<Storm> {
    const random = new Random(seed);
    // Some builds fail, some at once; all leave something that runs.
    const lines =
      'n=$(od -An -N1 -tu1 /dev/urandom); sleep 300 & [ $n -lt 50 ] && [ ! -e "$here/calm" ] && exit 1; sleep 0.1; echo x >"$out.qcow2"';
    const storm = new Storm(one, random, await one.observe(), await one.command(lines));
    for (const name of NAMES) await storm.#start(name);
    return storm;
  }

  #setting(rebuildAge: number): BuilderSetting {
    const image = {
      dibCommand: this.#dibCommand,
      rebuildAge,
      envVars: { TMP_DIR: join(this.#one.folder, "tmp") },
    };
    return {
      images: Object.fromEntries(IMAGES.map((name) => [name, image])),
      providers: this.#clouds.map((driver) => ({ driver, images: IMAGES })),
    };
  }

  async #start(name: string): Promise<void> {
    const backoff = { initial: 50, maximum: 300 };
    this.#builders.set(name, await this.#one.start(this.#setting(1), { name, backoff, takeoverGrace: 0.3 }));
  }

  async step(): Promise<void> {
    const random = this.#random;
    const image = random.pick(IMAGES);
    const name = random.pick(NAMES);
    const cloud = random.pick(this.#clouds);
    const deeds: readonly (readonly [string, () => Promise<unknown> | undefined])[] = [
      [`crash of ${name}`, () => this.#crash(name)],
      [`session of ${name} expires`, () => this.#expire(name)],
      [`build of ${image} is asked for`, () => this.#create(buildRequestPath(image))],
      [`${image} is paused`, () => this.#create(imagePausePath(image))],
      [`${image} is resumed`, () => this.#observer.session.deleteRecursive(imagePausePath(image))],
      [`uploads to ${cloud.name} fail`, async () => (cloud.failUploads = 2)],
      [`deletions at ${cloud.name} fail`, async () => (cloud.failDeletes = 2)],
      [
        `the newest upload of ${image} to ${cloud.name} is deleted`,
        () => this.#deleteUpload(image, cloud.name),
      ],
      [`a build of ${image} is deleted`, () => this.#deleteBuild(image)],
      ["nothing", async () => undefined],
    ];
    const [what, act] = random.pick(deeds);
    this.log.push(what);
    await act();
    await new Promise((resolve) => setTimeout(resolve, random.below(150)));
    await this.#look();
  }

  async #crash(name: string): Promise<void> {
    await this.#builders.get(name)?.crash();
    await this.#start(name);
  }

  async #expire(name: string): Promise<void> {
    const session = this.#builders.get(name)?.session;
    // One that has expired just now cannot expire again.
    if (session !== undefined) await server.expire(session).catch(() => undefined);
  }

  async #create(path: string): Promise<void> {
    await this.#observer.session.ensurePath(path);
  }

  #ready(image: string, provider: string): UploadEntry[] {
    return this.#observer.uploads(image).filter((upload) => upload.provider === provider && isReady(upload));
  }

  /** As Nodepool's command does it. Only where another one stays: the last one is the operator's to lose. */
  async #deleteUpload(image: string, provider: string): Promise<void> {
    const [newest, other] = this.#ready(image, provider).sort((a, b) => b.createdAt - a.createdAt);
    if (newest?.record == null || other === undefined) return;
    const path = uploadPath(image, newest.build, provider, newest.upload);
    const data = encodeUpload({ ...newest.record, state: "deleting" });
    await this.#observer.session.set(path, data, newest.version).catch(() => undefined);
  }

  async #deleteBuild(image: string): Promise<void> {
    const build = readyBuilds(this.#observer.view.image(image)).at(-1);
    if (build?.record == null) return;
    const places = this.#clouds.map(({ name }) => this.#ready(image, name));
    if (!places.every((uploads) => uploads.some((upload) => upload.build !== build.build))) return;
    const data = encodeBuild({ ...build.record, state: "deleting" });
    await this.#observer.session
      .set(buildPath(image, build.build), data, build.version)
      .catch(() => undefined);
  }

  /** What must hold at any time. */
  async #look(): Promise<void> {
    await this.#observer.view.settled();
    for (const image of IMAGES) {
      for (const cloud of this.#clouds) {
        const place = `${image} at ${cloud.name}`;
        const uploads = this.#ready(image, cloud.name);
        if (uploads.length > 0) this.#served.add(place);
        else assert.ok(!this.#served.has(place), `${place}: no good image is left`);
        const lost = uploads.filter(({ record }) => !cloud.images.has(record?.externalId ?? ""));
        if (lost.length === 0) continue;
        // What is deleted at the provider is condemned in ZooKeeper before: we may have looked in between.
        await this.#observer.view.settled();
        const still = new Set(
          this.#ready(image, cloud.name).map(({ upload, build }) => `${build}/${upload}`),
        );
        const wrong = lost.filter(({ upload, build }) => still.has(`${build}/${upload}`));
        assert.deepEqual(wrong, [], `${place}: a good upload has no image`);
      }
    }
  }

  /** The storm is over: everything becomes as it should be. */
  async calm(): Promise<void> {
    await writeFile(join(this.#one.folder, "calm"), "");
    for (const cloud of this.#clouds) [cloud.failUploads, cloud.failDeletes] = [0, 0];
    for (const image of IMAGES) await this.#observer.session.deleteRecursive(imagePausePath(image));
    for (const builder of this.#builders.values()) await builder.take(this.#setting(86_400));
    let problem = "";
    await until(
      "all is as it should be",
      async () => {
        await this.#observer.view.settled();
        problem = await this.#problem();
        return problem === "";
      },
      PATIENCE,
    ).catch((error: unknown) => assert.fail(`${error}; ${problem}`));
    await this.#observer.stop();
  }

  async #problem(): Promise<string> {
    const kept = new Map<string, BuildEntry>();
    for (const image of IMAGES) {
      const problem = this.#problemOfBuilds(image, kept);
      if (problem !== "") return problem;
      for (const { name } of this.#clouds) {
        const wrong = this.#problemOfUploads(image, name);
        if (wrong !== "") return `${image} at ${name}: ${wrong}`;
      }
    }
    for (const cloud of this.#clouds) {
      const uploads = IMAGES.flatMap((image) => this.#ready(image, cloud.name));
      const known = uploads.map(({ record }) => record?.externalId).sort();
      const there = [...cloud.images.keys()].sort();
      if (there.join() !== known.join()) return `${cloud.name} has ${there}, recorded are ${known}`;
    }
    return await this.#problemOfHosts(kept);
  }

  #problemOfBuilds(image: string, kept: Map<string, BuildEntry>): string {
    const entry = this.#observer.view.image(image);
    if (entry === undefined) return `${image} is not there`;
    if (entry.buildRequest !== null) return `${image}: the request is still there`;
    if (entry.lock.contenders.length > 0) return `${image}: it is locked`;
    const newest = readyBuilds(entry).slice(0, 2);
    for (const build of entry.builds) {
      kept.set(`${image}-${build.build}`, build);
      const isDue = newest.includes(build) || build.uploads.length > 0;
      if (!isReady(build) || !isDue || build.uploading.size > 0) {
        return `${image}: build ${build.build} is ${build.record?.state}, uploaded now to ${[...build.uploading]}`;
      }
    }
    return "";
  }

  #problemOfUploads(image: string, provider: string): string {
    const newest = readyBuilds(this.#observer.view.image(image)).slice(0, 2);
    const uploads = this.#observer.uploads(image).filter((upload) => upload.provider === provider);
    if (!uploads.every(isReady)) return uploads.map(({ record }) => record?.state).join();
    uploads.sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));
    if (uploads[0]?.build !== newest[0]?.build) return "it lacks the newest build";
    const surplus = uploads.slice(2).filter(({ build }) => !newest.some((each) => each.build === build));
    return surplus.length > 0 ? `${surplus.length} uploads too many` : "";
  }

  async #problemOfHosts(kept: ReadonlyMap<string, BuildEntry>): Promise<string> {
    const stems = new Set<string>();
    for (const builder of this.#builders.values()) {
      for (const file of await builder.files()) {
        const stem = /^(.+-[0-9a-f]{32})\./.exec(file)?.[1] ?? file;
        if (!kept.has(stem)) return `${file} is left over`;
        stems.add(stem);
      }
    }
    const missing = [...kept.keys()].filter((stem) => !stems.has(stem));
    if (missing.length > 0) return `files of ${missing} are missing`;
    const temporary = await readdir(join(this.#one.folder, "tmp"));
    if (temporary.length > 0) return `temporary files are left: ${temporary}`;
    for (const { build } of kept.values()) {
      if ((await findProcesses(build, this.#one.folder)).length > 0) return `processes of ${build} are left`;
    }
    return "";
  }
}

describe("builders in a storm", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());

  for (const seed of SEEDS) {
    test(`seed ${seed}: no good image is lost, nothing is left over`, async () => {
      const one = await BuilderCase.begin(server);
      try {
        const storm = await Storm.begin(one, seed);
        try {
          for (let step = 0; step < STEPS; step += 1) await storm.step();
          await storm.calm();
        } catch (error) {
          throw new Error(`seed ${seed}: ${error}\n${storm.log.join("\n")}`);
        }
      } finally {
        await one.end();
      }
    });
  }
});
