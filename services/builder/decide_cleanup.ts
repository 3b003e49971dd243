// What is no longer wanted: uploads, builds and files.
//
// Invariants:
//   K1. The two newest ready builds of an image that the configuration names stay, and so do the two newest ready
//       uploads at each provider with the builds behind them.
//   K2. A builder that does not know an image touches only the builds that it made itself.
//   K3. Files go only if they are ours (see image_files.ts), and only when this ZooKeeper says that their build is
//       being deleted or has failed, or once held their record and does so no more. An empty or foreign ZooKeeper
//       deletes nothing.
import { formatTime } from "../../lib/std/format_time.ts";
import type { BuildEntry, ImageEntry, UploadEntry } from "../../lib/zookeeper/view.ts";
import { hasReadyUpload } from "./decide_upload.ts";
import {
  type BuilderConfig,
  type Decision,
  deleteBuildKey,
  deleteUploadKey,
  type Facts,
  filesKey,
  hindrance,
  isGivenUp,
  type LocalBuild,
  readyBuilds,
  uploadKey,
  type Waiting,
  waiting,
} from "./plan.ts";

/** How many ready builds of an image, and ready uploads of it at each provider, are kept. */
const KEPT = 2;

type Verdict = { readonly remove: string } | Pick<Waiting, "rule" | "reason"> | Waiting;

interface Scope {
  readonly image: ImageEntry;
  readonly config: BuilderConfig;
  readonly facts: Facts;
  /** Builds among the newest ready ones. */
  readonly keptBuilds: ReadonlySet<BuildEntry>;
  /** Uploads among the newest ready ones of their provider. */
  readonly keptUploads: ReadonlySet<UploadEntry>;
  readonly known: boolean;
}

/** Decides on every build and upload of an image that ZooKeeper knows. */
export function decideCleanup(image: ImageEntry, config: BuilderConfig, facts: Facts): Decision[] {
  const known = config.diskimages.has(image.image);
  const ready = readyBuilds(image);
  const scope: Scope = {
    image,
    config,
    facts,
    known,
    keptBuilds: new Set(known ? ready.slice(0, KEPT) : []),
    keptUploads: newestUploads(ready),
  };
  return image.builds.flatMap((build) => [
    ...build.uploads.map((upload) => decideUploadRemoval(build, upload, scope)),
    decideBuildRemoval(build, scope),
  ]);
}

function newestUploads(ready: readonly BuildEntry[]): Set<UploadEntry> {
  const byProvider = Map.groupBy(
    ready.flatMap((build) => build.uploads.filter((upload) => upload.record?.state === "ready")),
    (upload) => upload.provider,
  );
  const kept = new Set<UploadEntry>();
  for (const uploads of byProvider.values()) {
    uploads.sort((a, b) => (b.record?.stateTime ?? 0) - (a.record?.stateTime ?? 0));
    for (const upload of uploads.slice(0, KEPT)) kept.add(upload);
  }
  return kept;
}

function isOurs(build: BuildEntry, { facts }: Scope): boolean {
  return build.record !== null && build.record.builderId === facts.builderId;
}

function decideUploadRemoval(build: BuildEntry, upload: UploadEntry, scope: Scope): Decision {
  const { image, provider } = upload;
  const key = deleteUploadKey(image, upload.build, provider, upload.upload);
  const step = { key, image };
  const verdict = judgeUpload(build, upload, scope);
  if (!("remove" in verdict)) return waiting(step, verdict.rule, verdict.reason);
  const problem = scope.facts.served.has(provider)
    ? null
    : (scope.facts.unserved.get(provider) ?? "not started");
  if (problem !== null) {
    const reason = `to be deleted (${verdict.remove}), but provider ${provider} cannot be used here: ${problem}`;
    return waiting(step, "not-served", reason);
  }
  const set = hindrance(step, scope.facts);
  if (set !== null) return set;
  return {
    kind: "delete-upload",
    ...step,
    build: upload.build,
    provider,
    upload: upload.upload,
    version: upload.version,
    reason: verdict.remove,
  };
}

function judgeUpload(build: BuildEntry, upload: UploadEntry, scope: Scope): Verdict {
  const { record, provider } = upload;
  if (record === null) return { rule: "unreadable", reason: upload.problem ?? "its record cannot be read" };
  const configured = scope.config.providers.find((candidate) => candidate.name === provider);
  if (configured === undefined) {
    return { rule: "not-ours", reason: `provider ${provider} is not in ${scope.config.file}` };
  }
  const here = scope.facts.running.has(uploadKey(upload.image, upload.build, provider));
  const underWay = here || build.uploading.has(provider);
  if (record.state === "deleting") {
    // What is still being sent cannot be found at the provider yet.
    if (underWay && record.externalId === null)
      return { rule: "in-use", reason: "to be deleted when its upload has ended" };
    return { remove: "its deletion was asked for" };
  }
  // Whether it is one of the newest cannot be told then; an import, too, is seen so for a moment.
  if (build.record === null) return { rule: "unreadable", reason: "the record of its build cannot be read" };
  if (!scope.known && !isOurs(build, scope)) {
    return { rule: "not-ours", reason: `image ${upload.image} is not in ${scope.config.file}` };
  }
  if (record.state === "uploading") {
    if (underWay) return { rule: "in-use", reason: "it is being uploaded" };
    return { remove: "its builder went away in the middle of it" };
  }
  if (!configured.diskimages.some((listed) => listed.name === upload.image)) {
    return { remove: `provider ${provider} no longer lists the image` };
  }
  const isLeaving = isGivenUp(configured);
  if (isLeaving && !scope.facts.besidePython) {
    return { remove: `provider ${provider} is given up: max-servers of its pools is negative` };
  }
  if (record.state === "failed") return judgeFailedUpload(build, upload, scope);
  return judgeReadyUpload(build, upload, isLeaving, scope);
}

/** @param isLeaving whether nothing would be kept at its provider if no Python builder ran, which uploads there all the same */
function judgeReadyUpload(build: BuildEntry, upload: UploadEntry, isLeaving: boolean, scope: Scope): Verdict {
  if (scope.keptUploads.has(upload)) {
    const reason = isLeaving
      ? `provider ${upload.provider} is given up, but a Python builder runs, which would upload it again`
      : "it is one of the two newest at its provider";
    return { rule: "kept", reason };
  }
  if (scope.keptBuilds.has(build)) return { rule: "kept", reason: "its build is one of the two newest" };
  return { remove: "there are two newer ones, or its build is to be deleted" };
}

/** A failed upload of a build that is kept stays to be seen until there is a newer attempt. */
function judgeFailedUpload(build: BuildEntry, upload: UploadEntry, scope: Scope): Verdict {
  if (!scope.keptBuilds.has(build)) return { remove: "it failed, and its build is not kept" };
  const newer = scope.image.builds
    .flatMap(({ uploads }) => uploads)
    .some(
      (other) =>
        other.provider === upload.provider &&
        (other.createdAt > upload.createdAt ||
          (other.createdAt === upload.createdAt && other.upload > upload.upload)),
    );
  if (newer) return { remove: "it failed, and there is a newer one" };
  return { rule: "last-word", reason: "it failed and is kept to be seen until the next attempt" };
}

function decideBuildRemoval(build: BuildEntry, scope: Scope): Decision {
  const step = { key: deleteBuildKey(build.image, build.build), image: build.image };
  const verdict = judgeBuild(build, scope);
  if ("kind" in verdict) return verdict;
  if (!("remove" in verdict)) return waiting(step, verdict.rule, verdict.reason);
  const deleting = build.record?.state === "deleting";
  const remaining = build.uploads.filter((upload) => deleting || upload.record?.state !== "deleting");
  if (remaining.length > 0) {
    const places = [...new Set(remaining.map(({ provider }) => provider))].join(", ");
    return waiting(step, "kept", `to be deleted (${verdict.remove}) after its uploads at ${places}`);
  }
  if (deleting && build.uploading.size > 0) {
    return waiting(step, "in-use", "to be deleted when nobody uploads it any more");
  }
  const set = hindrance(step, scope.facts);
  const { version } = build;
  return set ?? { kind: "delete-build", ...step, build: build.build, version, reason: verdict.remove };
}

function judgeBuild(build: BuildEntry, scope: Scope): Verdict {
  const { record } = build;
  if (record === null) return { rule: "unreadable", reason: build.problem ?? "its record cannot be read" };
  if (scope.facts.building.has(build.build)) return { rule: "in-use", reason: "it is being built here" };
  if (record.state === "deleting") return { remove: "its deletion was asked for" };
  if (!scope.known && !isOurs(build, scope)) {
    const reason = `image ${build.image} is not in ${scope.config.file}, and another builder made the build`;
    return { rule: "not-ours", reason };
  }
  if (record.state === "building") return judgeRunningBuild(build, scope);
  if (record.state === "failed") return judgeFailedBuild(build, scope);
  if (scope.keptBuilds.has(build)) return { rule: "kept", reason: "it is one of the two newest builds" };
  return {
    remove: scope.known ? "there are two newer builds" : `image is no longer in ${scope.config.file}`,
  };
}

/** A build that says it is running, but not here. */
function judgeRunningBuild(build: BuildEntry, scope: Scope): Verdict {
  const { facts, image } = scope;
  if (isOurs(build, scope)) return { remove: "this builder went away in the middle of it" };
  if (image.lock.contenders.length > 0) return { rule: "in-use", reason: "it is being built" };
  const until = (facts.lockFreeSince.get(build.build) ?? facts.now) + facts.takeoverGrace;
  const builder = build.record?.builder ?? "its builder";
  if (until <= facts.now) return { remove: `${builder} went away in the middle of it` };
  const step = { key: deleteBuildKey(build.image, build.build), image: build.image };
  const reason = `${builder} lost its lock and may take it back until ${formatTime(until)}`;
  return waiting(step, "lock-lost", reason, until);
}

/** A failed build stays to be seen until there is a newer attempt. */
function judgeFailedBuild(build: BuildEntry, scope: Scope): Verdict {
  if (!scope.known) return { remove: "it failed, and the image is no longer configured" };
  if (scope.image.builds.some((other) => other.createdAt > build.createdAt)) {
    return { remove: "it failed, and there is a newer one" };
  }
  return { rule: "last-word", reason: "it failed and is kept to be seen until the next attempt" };
}

/** Decides on the files of one build in images-dir. */
export function decideFiles(
  files: LocalBuild,
  image: ImageEntry | undefined,
  config: BuilderConfig,
  facts: Facts,
): Decision {
  const step = { key: filesKey(files.image, files.build), image: files.image };
  const inUse = [...facts.running].some((key) => key.startsWith(uploadKey(files.image, files.build, "")));
  if (facts.building.has(files.build) || inUse) return waiting(step, "in-use", "they are in use here");
  const set = hindrance(step, facts);
  if (set !== null) return set;
  const build = image?.builds.find((candidate) => candidate.build === files.build);
  if (build === undefined) return decideOrphans(files, step);
  const remove = (reason: string, formats: readonly string[] | null): Decision => {
    return { kind: "delete-files", ...step, build: files.build, formats, reason };
  };
  const state = build.record?.state;
  if (state === "deleting") return remove("their build is being deleted", null);
  if (state === "failed") return remove("their build has failed", null);
  if (state !== "ready") return waiting(step, "kept", "their build is not finished");
  const spent = spentFormats(build, files, config);
  if (spent.length === 0) return waiting(step, "kept", "their build is ready");
  return remove("every provider that takes them has them (delete-after-upload)", spent);
}

function decideOrphans(files: LocalBuild, step: { key: string; image: string }): Decision {
  switch (files.standing) {
    case "gone":
      return {
        kind: "delete-files",
        ...step,
        build: files.build,
        formats: null,
        reason: "their build was deleted",
      };
    case "unknown":
      return { kind: "examine-files", ...step, build: files.build, reason: "their build has no record" };
    case "foreign": {
      const reason =
        "left alone: this ZooKeeper has never held the record of their build; delete them by hand";
      return waiting(step, "not-ours", reason);
    }
  }
}

/** Formats that no longer need a local file: uploaded wherever they are wanted, and not to be kept. */
function spentFormats(build: BuildEntry, files: LocalBuild, config: BuilderConfig): string[] {
  const diskimage = config.diskimages.get(build.image);
  if (diskimage === undefined || !diskimage.deleteAfterUpload) return [];
  return [...files.formats].filter((format) => {
    if (diskimage.keepFormats.includes(format)) return false;
    const takers = config.providers.filter(
      (provider) =>
        provider.managesImages &&
        !isGivenUp(provider) &&
        provider.imageFormat === format &&
        provider.diskimages.some((listed) => listed.name === build.image),
    );
    return takers.length > 0 && takers.every((provider) => hasReadyUpload(build, provider.name));
  });
}
