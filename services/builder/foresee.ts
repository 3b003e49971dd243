// What the builder would do with another configuration: its own decisions, with each action taken for done, until
// nothing is left to do.
import { isDeepStrictEqual } from "node:util";
import type { PlannedChange } from "../../lib/daemon/types.ts";
import { newBuild, newUpload } from "../../lib/model/image.ts";
import type { BuildEntry, ImageEntry } from "../../lib/zookeeper/view.ts";
import { decide } from "./decide.ts";
import { type Action, type BuilderConfig, buildName, type Facts, type LocalBuild } from "./plan.ts";
import { changedImages, isAbout } from "./setbacks.ts";

/** Rounds of decisions after which something is wrong: build, upload, delete uploads, builds, files. */
const MAXIMUM_ROUNDS = 50;
/** Stands for the id of a build that is not there yet. */
const NEW = "new";

/** What is known of images while it is played on. */
interface Stage {
  readonly images: Map<string, ImageEntry>;
  readonly files: Map<string, LocalBuild>;
}

/** All actions that follow from a configuration if nothing else happens, in their order. */
export function foresee(images: Iterable<ImageEntry>, config: BuilderConfig, facts: Facts): Action[] {
  const stage: Stage = {
    images: new Map(Array.from(images, (entry) => [entry.image, entry])),
    files: new Map(facts.files),
  };
  const done: Action[] = [];
  for (let round = 0; round < MAXIMUM_ROUNDS; round += 1) {
    const known = {
      ...facts,
      files: stage.files,
      troubles: new Map(),
      buildWorkers: Infinity,
      uploadWorkers: Infinity,
    };
    const { actions } = decide(stage.images.values(), config, known);
    if (actions.length === 0) break;
    for (const action of actions) {
      play(stage, action, config, facts);
      done.push(action);
    }
  }
  return done;
}

/** What is done with `next` and not without it, and the other way round. */
export function planChange(
  images: readonly ImageEntry[],
  before: BuilderConfig,
  next: BuilderConfig,
  facts: Facts,
): PlannedChange[] {
  const byKey = (config: BuilderConfig, known: Facts) =>
    new Map(foresee(images, config, known).map((action) => [action.key, action]));
  const now = byKey(before, { ...facts, setbacks: forgottenSetbacks(before, next, facts) });
  const then = byKey(next, { ...servedThen(before, next, facts), setbacks: new Map() });
  const added = [...then].filter(([key]) => !now.has(key)).map(([, action]) => changeOf(action));
  const dropped = [...now]
    .filter(([key, { kind }]) => !then.has(key) && (kind === "build" || kind === "upload"))
    .map(([, action]) => ({
      ...changeOf(action),
      kind: `no-${action.kind}`,
      reason: `it would be done (${action.reason}), and is no longer`,
      destructive: false,
    }));
  return [...added, ...dropped];
}

/**
 * What fails now and is tried at once because of the change. What else fails is taken for what it will be when it has
 * been waited out: a plan tells what follows, not when.
 */
function forgottenSetbacks(before: BuilderConfig, next: BuilderConfig, facts: Facts): Facts["setbacks"] {
  const images = changedImages(before, next);
  const providers = before.providers.filter(
    (old) => !next.providers.some((each) => isDeepStrictEqual(old, each)),
  );
  const names = new Set(providers.map(({ name }) => name));
  return new Map([...facts.setbacks].filter(([key]) => isAbout(key, images, names)));
}

/** Providers that are new or changed are taken for served: whether they answer shows when they are opened. */
function servedThen(before: BuilderConfig, next: BuilderConfig, facts: Facts): Facts {
  const served = new Set<string>();
  const unserved = new Map<string, string>();
  for (const provider of next.providers) {
    const old = before.providers.find(({ name }) => name === provider.name);
    const problem = facts.unserved.get(provider.name);
    const isSame = isDeepStrictEqual(old, provider);
    if (problem !== undefined && isSame) unserved.set(provider.name, problem);
    else served.add(provider.name);
  }
  return { ...facts, served, unserved };
}

function changeOf(action: Action): PlannedChange {
  const { kind, image, reason } = action;
  const destructive = kind.startsWith("delete-");
  const build = "build" in action && action.build !== NEW ? ` (build ${action.build})` : "";
  switch (kind) {
    case "upload":
    case "delete-upload":
      return { kind, subject: `${image} at ${action.provider}${build}`, reason, destructive };
    default:
      return { kind, subject: `${image}${build}`, reason, destructive };
  }
}

/** Takes an action for done. */
function play({ images, files }: Stage, action: Action, config: BuilderConfig, facts: Facts): void {
  const entry = images.get(action.image);
  const replace = (builds: readonly BuildEntry[]) => {
    if (entry !== undefined) images.set(action.image, { ...entry, builds });
  };
  const others = (build: string) => entry?.builds.filter((candidate) => candidate.build !== build) ?? [];
  switch (action.kind) {
    case "build": {
      const formats = config.diskimages.get(action.image)?.formats ?? [];
      const record = newBuild(facts.now, {
        state: "ready",
        builderId: facts.builderId,
        formats: formats.join(","),
      });
      const build: BuildEntry = {
        ...fresh(record, facts.now),
        image: action.image,
        build: NEW,
        uploads: [],
        uploading: new Set(),
      };
      images.set(action.image, {
        image: action.image,
        paused: entry?.paused ?? false,
        lock: entry?.lock ?? { exists: false, contenders: [] },
        buildRequest: null,
        builds: [...others(NEW), build],
      });
      const own: LocalBuild = {
        image: action.image,
        build: NEW,
        formats: new Set(formats),
        standing: "unknown",
      };
      files.set(buildName(action.image, NEW), own);
      return;
    }
    case "upload":
      replace(
        (entry?.builds ?? []).map((build) =>
          build.build === action.build ? withUpload(build, action.provider, facts.now) : build,
        ),
      );
      return;
    case "delete-upload":
      replace(
        (entry?.builds ?? []).map((build) =>
          build.build === action.build
            ? { ...build, uploads: build.uploads.filter((upload) => !isUpload(upload, action)) }
            : build,
        ),
      );
      return;
    case "delete-build":
      replace(others(action.build));
      files.delete(buildName(action.image, action.build));
      return;
    case "delete-files": {
      const name = buildName(action.image, action.build);
      const left = [...(files.get(name)?.formats ?? [])].filter(
        (format) => !action.formats?.includes(format),
      );
      const known = files.get(name);
      if (action.formats === null || left.length === 0 || known === undefined) files.delete(name);
      else files.set(name, { ...known, formats: new Set(left) });
      return;
    }
    case "examine-files":
      // What it will show cannot be known.
      files.delete(buildName(action.image, action.build));
  }
}

function isUpload(
  upload: { readonly provider: string; readonly upload: string },
  action: { readonly provider: string; readonly upload: string },
): boolean {
  return upload.provider === action.provider && upload.upload === action.upload;
}

function withUpload(build: BuildEntry, provider: string, now: number): BuildEntry {
  const upload = {
    ...fresh(newUpload(now, { state: "ready", externalId: NEW }), now),
    image: build.image,
    build: build.build,
    provider,
    upload: `${NEW}-${build.uploads.length}`,
  };
  return { ...build, uploads: [...build.uploads, upload] };
}

function fresh<T>(record: T, now: number) {
  return { record, problem: null, version: 0, createdAt: now, modifiedAt: now };
}
