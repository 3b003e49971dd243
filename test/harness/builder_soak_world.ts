// The world of the builder soak: three builders, two of them with one images folder, a build command with moods, and a
// cloud of three providers that outlives them.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { writeBuildCommand } from "./builder_soak_command.ts";
import { type BuilderSoakConfig, builderConfigText, IMAGES } from "./builder_soak_config.ts";
import { type Servers, SoakFleet } from "./soak_fleet.ts";

/** By builder. */
const FOLDERS = ["shared", "shared", "own"] as const;
/** All that a builder starts has this in its environment. */
const MARK = "NODEPOOL_TEST_SOAK";

/** A cloud that tells of each image which is deleted. */
export class ImageCloud extends FakeCloud {
  /** Hears of each deletion, as it is asked for. */
  onDelete: (externalId: string) => void = () => {};

  override deleteImage(id: string, signal: AbortSignal): Promise<void> {
    this.onDelete(id);
    return super.deleteImage(id, signal);
  }
}

export class BuilderSoakWorld extends SoakFleet<BuilderSoakConfig> {
  readonly cloud: ImageCloud;
  /** Builds that an operator has deleted or cancelled, and uploads that he has deleted, as build/provider/upload. */
  readonly asked = new Set<string>();
  /** Since when an image is known to be paused (milliseconds): nobody can have resumed it since. */
  readonly pausedSince = new Map<string, number>();
  /** Faults are over, and their consequences. */
  isFair = false;
  /** What all processes of builds have in their environment, as name=value. */
  readonly mark: string;
  readonly #cloudServer: CloudServer;
  readonly #dibCommand: string;

  /** @param servers how many servers ZooKeeper has */
  static async open(config: BuilderSoakConfig, servers = 1): Promise<BuilderSoakWorld> {
    const ground = await SoakFleet.ground(servers);
    const dibCommand = await writeBuildCommand(ground.folder);
    const cloud = new ImageCloud({ keepsRecord: false });
    const world = new BuilderSoakWorld(ground, cloud, await serveCloud(cloud), dibCommand, config);
    await world.session.connected();
    await world.session.ensurePath("/nodepool");
    await Promise.all(FOLDERS.map((_, index) => world.add(index + 1)));
    await world.view.ready();
    return world;
  }

  private constructor(
    ground: Awaited<ReturnType<typeof SoakFleet.ground>>,
    cloud: ImageCloud,
    cloudServer: CloudServer,
    dibCommand: string,
    config: BuilderSoakConfig,
  ) {
    const mark = randomUUID();
    const env = (number: number) => ({ [MARK]: mark, NODEPOOL_TEST_HOST: `builder${number}.example.org` });
    super(ground, { kind: "builder", file: "test/harness/soaking_builder.ts", env }, config);
    this.mark = `${MARK}=${mark}`;
    this.cloud = cloud;
    this.#cloudServer = cloudServer;
    this.#dibCommand = dibCommand;
  }

  /** Every images-dir. */
  get imageFolders(): readonly string[] {
    return [...new Set(FOLDERS)].map((name) => join(this.folder, "images", name));
  }

  /** Where builds have their own folders. */
  get temporary(): string {
    return join(this.folder, "temporary");
  }

  protected textFor(number: number, zooKeeper: Servers): string {
    return builderConfigText(this.config, {
      zooKeeper,
      imagesDir: join(this.folder, "images", FOLDERS[number - 1] ?? "own"),
      logDir: join(this.folder, "logs"),
      temporary: this.temporary,
      dibCommand: this.#dibCommand,
      cloud: this.#cloudServer.address,
    });
  }

  cutCloud(): void {
    this.#cloudServer.cut();
  }

  /** What is in the tree, and what each builder says about it. */
  async explain(): Promise<string> {
    const builds = [...this.view.images()].flatMap(({ image, lock, builds: all }) => [
      `${image} ${lock.contenders}`,
      ...all.map(
        ({ build, record, uploads, uploading }) =>
          `  ${build} ${record?.state} of ${record?.builder} (${record?.stateTime}), ${uploads.map((each) => `${each.provider}/${each.upload} ${each.record?.state} ${each.record?.externalId}`).join(", ")}, now ${[...uploading]}`,
      ),
    ]);
    const asked = this.daemons.flatMap(({ number, clients }) =>
      IMAGES.map(async (image) => {
        const { decisions } = await clients.images.explainImage({ name: `images/${image}` });
        const open = decisions.filter(({ rule }) => !["uploaded", "kept"].includes(rule));
        const said = open.map(
          ({ subject, provider, rule, reason }) => `${subject} ${provider} ${rule}: ${reason}`,
        );
        return `builder ${number} of ${image}: ${said.join("; ")}`;
      }),
    );
    const answers = await Promise.allSettled(asked);
    const said = answers.map((each) => (each.status === "fulfilled" ? each.value : messageOf(each.reason)));
    return [...builds, ...said].join("\n  ");
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#cloudServer.close();
  }
}
