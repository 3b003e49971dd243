// What there must be in the builder soak when faults are over: every image, built and uploaded to each provider that
// lists it, the one before it at most, and nothing else, in ZooKeeper, at the cloud and on the disk.
import { readdir, readFile } from "node:fs/promises";
import { formatsOf } from "../../lib/model/image.ts";
import { IMAGES as TREE } from "../../lib/model/paths.ts";
import { subtree } from "../../lib/zookeeper/tree_operations.ts";
import type { BuildEntry, ImageEntry, UploadEntry } from "../../lib/zookeeper/view.ts";
import { BUILD_VARIABLE } from "../../services/builder/host_remains.ts";
import { readyBuilds } from "../../services/builder/plan.ts";
import { IMAGES, WHOLE } from "./builder_soak_config.ts";
import type { BuilderSoakWorld } from "./builder_soak_world.ts";
import { until } from "./launcher.ts";

/** Longer than anything may take that was begun in the storm. */
const SETTLED_MS = 90_000;
/** Builds, and uploads at a provider, that are kept. */
const KEPT = 2;
const OWN_FILES = /^(?:nodepool\.json|\w+|\w+\.(?:md5|sha256))$/;

const isReady = ({ record }: BuildEntry | UploadEntry) => record?.state === "ready";

/** Waits until everything is as it should be. */
export async function settle(world: BuilderSoakWorld, patienceMs = SETTLED_MS): Promise<void> {
  const since = performance.now();
  let short: readonly string[] = [];
  const look = async () => {
    if (!world.view.current) return false;
    short = await shortcomings(world);
    if (short.length === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return false;
  };
  await until("everything settled", look, patienceMs).catch(async (error: Error) => {
    world.wrong(`${error.message}:\n  ${short.join("\n  ")}\n  ${await world.explain()}`);
  });
  world.note(`settled after ${Math.round(performance.now() - since)} ms`);
}

/** Nothing happens any more, and nothing is left over. */
export async function rest(world: BuilderSoakWorld): Promise<void> {
  await settle(world);
  const before = stateOf(world);
  const written = await world.zooKeeper.writtenUntilQuiet();
  const after = stateOf(world);
  if (after !== before) world.wrong(`it does not rest: ${before} becomes ${after}`);
  if (written.at(-1) !== 0n) world.wrong(`it does not rest: ${written.join(", ")} transactions`);
  for (const left of await leftInTree(world)) world.wrong(`${left} is left`);
}

function stateOf({ view, cloud }: BuilderSoakWorld): string {
  const builds = [...view.images()].flatMap((entry) =>
    entry.builds.map(({ build, version, uploads }) => [
      `${build} v${version}`,
      ...uploads.map((each) => `${each.provider}/${each.upload} v${each.version}`),
    ]),
  );
  return JSON.stringify({ builds, images: [...cloud.images.keys()] });
}

/** What is not as it should be at rest. */
async function shortcomings(world: BuilderSoakWorld): Promise<string[]> {
  const { view, cloud, daemons } = world;
  const entries = [...view.images()];
  const uploads = entries.flatMap(({ builds }) => builds.flatMap((build) => [...build.uploads]));
  const recorded = new Set(uploads.map(({ record }) => record?.externalId));
  const builders = [...view.components()].filter(({ component }) => component === "builder").length;
  return [
    ...IMAGES.filter((image) => view.image(image) === undefined).map((image) => `${image} is not there`),
    ...entries.flatMap((entry) => [...ofImage(entry), ...ofProviders(entry)]),
    ...[...cloud.images.values()].flatMap(({ externalId, name, metadata }) =>
      recorded.has(externalId) ? [] : [`${externalId} (${name}) has no record: ${JSON.stringify(metadata)}`],
    ),
    ...uploads.flatMap(({ build, provider, upload, record }) =>
      cloud.images.has(record?.externalId ?? "")
        ? []
        : [`upload ${build}/${provider}/${upload} has no image`],
    ),
    ...(builders === daemons.length ? [] : [`${builders} builders are registered`]),
    ...(await ofDisk(world, entries)),
    ...(await ofProcesses(world)),
  ];
}

/** A failed build is kept to be seen while nobody has tried again. */
function isLastWord({ builds }: ImageEntry, build: BuildEntry): boolean {
  return build.record?.state === "failed" && builds.every(({ createdAt }) => createdAt <= build.createdAt);
}

function ofImage(entry: ImageEntry): string[] {
  const { image, builds, buildRequest, paused, lock } = entry;
  const newest = readyBuilds(entry).slice(0, KEPT);
  const present = newest[0]?.record == null ? [] : formatsOf(newest[0].record);
  const lacking = (WHOLE.images[image]?.formats ?? []).filter((format) => !present.includes(format));
  return [
    ...(buildRequest === null ? [] : ["a build is asked for"]),
    ...(paused ? ["it is paused"] : []),
    ...(lock.contenders.length === 0 ? [] : [`its lock has ${lock.contenders}`]),
    ...(lacking.length === 0 ? [] : [`the newest build lacks ${lacking}`]),
    ...builds.flatMap((build) => {
      if (build.uploading.size > 0) return [`${build.build} is uploaded to ${[...build.uploading]}`];
      if (isReady(build) && (newest.includes(build) || build.uploads.length > 0)) return [];
      return isLastWord(entry, build) ? [] : [`${build.build} is ${build.record?.state}`];
    }),
  ].map((what) => `${image}: ${what}`);
}

function ofProviders(entry: ImageEntry): string[] {
  const newest = readyBuilds(entry).slice(0, KEPT);
  const uploads = entry.builds.flatMap((build) => [...build.uploads]);
  const short = uploads.flatMap(({ build, provider, upload, record }) => {
    const isListed = WHOLE.providers[provider]?.images.includes(entry.image) ?? false;
    const what = isListed ? record?.state : "of an image that is not listed";
    return what === "ready" ? [] : [`upload ${build}/${provider}/${upload} is ${what}`];
  });
  for (const [provider, { images }] of Object.entries(WHOLE.providers)) {
    if (!images.includes(entry.image)) continue;
    const here = uploads.filter((upload) => upload.provider === provider && isReady(upload));
    here.sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));
    if (here[0]?.build !== newest[0]?.build) short.push(`${provider} has ${here[0]?.build} for the newest`);
    const surplus = here.slice(KEPT).filter(({ build }) => !newest.some((each) => each.build === build));
    for (const { build, upload } of surplus) short.push(`${provider} has ${build}/${upload} yet`);
  }
  return short.map((what) => `${entry.image}: ${what}`);
}

/** Files of builds that have no record, and halves; folders of builds that have ended. */
async function ofDisk(world: BuilderSoakWorld, entries: readonly ImageEntry[]): Promise<string[]> {
  const stems = new Set(
    entries.flatMap(({ image, builds }) => builds.filter(isReady).map(({ build }) => `${image}-${build}`)),
  );
  const left: string[] = [];
  for (const folder of world.imageFolders) {
    for (const file of await readdir(folder).catch(() => [])) {
      if (file === "builder_id.txt") continue;
      const [, stem = "", rest = ""] = /^(.+-[0-9a-f]{32})\.(.*)$/.exec(file) ?? [];
      if (!stems.has(stem) || !OWN_FILES.test(rest)) left.push(`file ${folder}/${file} is left`);
    }
  }
  for (const name of await readdir(world.temporary).catch(() => [])) left.push(`folder ${name} is left`);
  return left;
}

/** Processes that builds have left. */
async function ofProcesses({ mark }: BuilderSoakWorld): Promise<string[]> {
  const left: string[] = [];
  for (const pid of (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")).split("\0");
    const build = words.find((word) => word.startsWith(`${BUILD_VARIABLE}=`));
    if (build !== undefined && words.includes(mark)) left.push(`process ${pid} of ${build} is left`);
  }
  return left;
}

/** Contenders for locks, and znodes of builds and uploads that have no record. */
async function leftInTree({ session }: BuilderSoakWorld): Promise<string[]> {
  const paths = await subtree(session, TREE);
  const left = paths.filter((path) => /\/lock\/[^/]+$/.test(path));
  for (const path of paths) {
    const isRecord =
      /\/builds\/(?!lock$)[^/]+$/.test(path) || /\/images\/(?!lock$)[^/]+$/.test(path.slice(TREE.length));
    if (isRecord && (await session.get(path)).data.length === 0) left.push(`${path} without a record`);
  }
  return left;
}
