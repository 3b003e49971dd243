// What must hold in the builder soak at any time: no good image is lost, nothing is built that is not to be, and what
// counts is what was begun last.
import { readFile } from "node:fs/promises";
import { decodeUpload } from "../../lib/model/image.ts";
import { uploadPath } from "../../lib/model/paths.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { BuildEntry, UploadEntry } from "../../lib/zookeeper/view.ts";
import { BUILD_VARIABLE } from "../../services/builder/host_remains.ts";
import { BUILD_WORKERS, type BuilderSoakConfig, isListed } from "./builder_soak_config.ts";
import type { BuilderSoakWorld } from "./builder_soak_world.ts";
import { missing, persist } from "./persist.ts";

/** A builder may go on with a configuration that it has not yet read anew, or hang meanwhile. */
const CONFIG_LIVES_MS = 20_000;
/** A builder that is stopped may have looked whether an image is paused just before, and its session lives on. */
const PAUSE_LATE_MS = 5000;
const LOOK_MS = 500;
/** Of an image at a provider, so many are kept. */
const KEPT = 2;

const nameOf = ({ build, provider, upload }: UploadEntry) => `${build}/${provider}/${upload}`;

export class BuilderSoakJudge {
  readonly #world: BuilderSoakWorld;
  readonly #configs: { readonly config: BuilderSoakConfig; until: number }[] = [];
  /** Builds as they were seen last, by image and id. */
  readonly #seen = new Map<string, Map<string, BuildEntry>>();
  readonly #stop: () => void;

  constructor(world: BuilderSoakWorld) {
    this.#world = world;
    const stopListening = world.view.subscribe(({ kind, id }) => {
      if (kind === "image") this.#look(id);
    });
    const timer = setInterval(() => {
      this.#noteConfig();
      this.#lookAtProcesses().catch((error: unknown) => world.wrong(`processes: ${messageOf(error)}`));
    }, LOOK_MS);
    world.cloud.onDelete = (id) => {
      this.#lookAtDeletion(id).catch((error: unknown) =>
        world.wrong(`deletion of ${id}: ${messageOf(error)}`),
      );
    };
    this.#stop = () => {
      stopListening();
      clearInterval(timer);
    };
  }

  close(): void {
    this.#stop();
  }

  #noteConfig(): void {
    const { config } = this.#world;
    const now = performance.now();
    for (const past of this.#configs) if (past.config === config) past.until = now + CONFIG_LIVES_MS;
    if (this.#configs.at(-1)?.config !== config) this.#configs.push({ config, until: now + CONFIG_LIVES_MS });
    while ((this.#configs[0]?.until ?? Infinity) < now) this.#configs.shift();
  }

  /** Looks at an image that has changed. */
  #look(image: string): void {
    this.#noteConfig();
    const entry = this.#world.view.image(image);
    const before = this.#seen.get(image) ?? new Map<string, BuildEntry>();
    const now = new Map((entry?.builds ?? []).map((build) => [build.build, build]));
    this.#seen.set(image, now);
    for (const build of now.values()) this.#lookAtBuild(before.get(build.build), build, [...now.values()]);
    const known = [...before.values(), ...now.values()].flatMap(({ uploads }) => [...uploads]);
    for (const { uploads } of before.values()) {
      for (const upload of uploads) {
        const current = now.get(upload.build)?.uploads.find((each) => nameOf(each) === nameOf(upload));
        const wasReady = upload.record?.state === "ready";
        if (wasReady && current?.record?.state !== "ready") this.#lookAtLoss(upload, known);
        if (!wasReady && current?.record?.state === "ready") this.#world.count("upload ready");
      }
    }
  }

  #lookAtBuild(earlier: BuildEntry | undefined, build: BuildEntry, all: readonly BuildEntry[]): void {
    const [past, state] = [earlier?.record?.state, build.record?.state];
    if (earlier === undefined) this.#lookAtBegin(build);
    if (past !== "ready" && state === "ready") {
      this.#world.count("build ready");
      this.#lookAtEnd(build, all);
    }
    if (past === "building" && state === "failed") this.#world.count("build failed");
  }

  #lookAtBegin({ image, build, createdAt, record }: BuildEntry): void {
    const since = this.#world.pausedSince.get(image) ?? Infinity;
    if (createdAt * 1000 < since + PAUSE_LATE_MS) return;
    this.#world.wrong(`${image} is paused, and build ${build} was begun by ${record?.builder}`);
  }

  /** A build counts if nobody has begun another by the time at which it is ready: by the server's clock, for we may hear late. */
  #lookAtEnd(build: BuildEntry, all: readonly BuildEntry[]): void {
    const { createdAt: begun, modifiedAt: ended } = build;
    const later = all.filter(({ createdAt }) => createdAt > begun && createdAt < ended);
    if (later.length === 0) return;
    const others = later.map((each) => `${each.build} (${each.record?.state} of ${each.record?.builder})`);
    this.#world.wrong(`build ${build.build} of ${build.image} is ready, though ${others} was begun later`);
  }

  /** A ready upload goes when there are two newer ones, when it was asked for, or when it is not configured any more. */
  #lookAtLoss(upload: UploadEntry, known: readonly UploadEntry[]): void {
    const { asked } = this.#world;
    const { image, provider, record } = upload;
    if (asked.has(nameOf(upload)) || asked.has(upload.build)) return;
    if (this.#configs.some(({ config }) => !isListed(config, image, provider))) return;
    const newer = known.filter(
      (each) =>
        each.provider === provider &&
        (each.record?.state === "ready" || asked.has(nameOf(each)) || asked.has(each.build)) &&
        (each.record?.stateTime ?? 0) > (record?.stateTime ?? 0),
    );
    if (new Set(newer.map(nameOf)).size >= KEPT) return;
    this.#world.wrong(
      `upload ${nameOf(upload)} of ${image} is gone, and ${newer.map(nameOf)} only are newer`,
    );
  }

  /** What is deleted at the provider is condemned in ZooKeeper before. */
  async #lookAtDeletion(externalId: string): Promise<void> {
    const { view, session } = this.#world;
    const upload = [...view.images()]
      .flatMap(({ builds }) => builds.flatMap(({ uploads }) => [...uploads]))
      .find(({ record }) => record?.state === "ready" && record.externalId === externalId);
    if (upload === undefined) return;
    // We may hear later that it was condemned than the cloud that it is to go, and so may our server of an ensemble.
    const path = uploadPath(upload.image, upload.build, upload.provider, upload.upload);
    const znode = await persist(async () => {
      await session.sync(path);
      return await session.get(path).catch(missing);
    });
    const isReady = znode !== null && znode.data.length > 0 && decodeUpload(znode.data).state === "ready";
    if (isReady) this.#world.wrong(`${externalId} was deleted, and ${nameOf(upload)} is ready`);
  }

  /** No builder has more builds than it may, and in fair weather no image has two. */
  async #lookAtProcesses(): Promise<void> {
    const building = new Map<string, string[]>();
    for (const { number, program } of this.#world.daemons) {
      const builds = await buildsBelow(program.pid);
      if (builds.length > BUILD_WORKERS)
        this.#world.wrong(`builder ${number} has ${builds.length} builds at once`);
      for (const { image, build } of builds)
        building.set(image, [...(building.get(image) ?? []), `${number}: ${build}`]);
    }
    if (!this.#world.isFair) return;
    for (const [image, builds] of building) {
      if (builds.length > 1) this.#world.wrong(`${image} is built ${builds.length} times at once, ${builds}`);
    }
  }
}

/** The builds whose commands are children of a process; none where the system does not tell. */
async function buildsBelow(pid: number): Promise<{ readonly image: string; readonly build: string }[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const found: { image: string; build: string }[] = [];
  for (const child of text.split(" ").filter((each) => each !== "")) {
    const words = (await readFile(`/proc/${child}/environ`, "utf8").catch(() => "")).split("\0");
    const value = (name: string) => words.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const [image, build] = [value("DIB_IMAGE_NAME"), value(BUILD_VARIABLE)];
    if (image !== undefined && build !== undefined) found.push({ image, build });
  }
  return found;
}
