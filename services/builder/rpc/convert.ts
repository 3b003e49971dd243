// The messages of the API, made of what the view and the builder know.
import type { DiskImageConfig } from "../../../lib/config/types.ts";
import { type BuildState, formatsOf, type UploadState } from "../../../lib/model/image.ts";
import {
  Build,
  Build_State,
  BuildAttempt,
  BuildAttempt_Result,
  Image,
  Image_BuildRequest,
  ImageDecision,
  ImageDecision_Action,
  Upload,
  Upload_State,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { int32Of, timestampOf } from "../../../lib/rpc/values.ts";
import type { BuildEntry, ImageEntry, UploadEntry } from "../../../lib/zookeeper/view.ts";
import type { Outlook } from "../board.ts";
import type { Attempt, Phase } from "../history.ts";
import { type Decision, partsOfKey } from "../plan.ts";

export const IMAGE_NAME = "images/{image}";
export const BUILD_NAME = "images/{image}/builds/{build}";
export const UPLOAD_NAME = "images/{image}/builds/{build}/providers/{provider}/uploads/{upload}";

/** All that an Image is made of. */
export interface ImageSource {
  readonly name: string;
  readonly entry: ImageEntry | undefined;
  readonly diskimage: DiskImageConfig | undefined;
  readonly outlook: Outlook;
  readonly errors: readonly string[];
}

const BUILD_STATE: Readonly<Record<BuildState, Build_State>> = {
  building: Build_State.STATE_BUILDING,
  ready: Build_State.STATE_READY,
  deleting: Build_State.STATE_DELETING,
  failed: Build_State.STATE_FAILED,
};

const UPLOAD_STATE: Readonly<Record<UploadState, Upload_State>> = {
  uploading: Upload_State.STATE_UPLOADING,
  ready: Upload_State.STATE_READY,
  deleting: Upload_State.STATE_DELETING,
  failed: Upload_State.STATE_FAILED,
};

export function toImage({ name, entry, diskimage, outlook, errors }: ImageSource): Image {
  const request = entry?.buildRequest ?? null;
  const { reason, next, missing } = outlook;
  return Image.fromPartial({
    name: formatName(IMAGE_NAME, { image: name }),
    paused: diskimage?.pause === true || entry?.paused === true,
    buildRequest: requestState(entry),
    ...(request === null ? {} : { buildRequestTime: timestampOf(request.time) }),
    reason: diskimage === undefined ? "it is not in this builder's configuration" : reason,
    lastError: errors.join("; "),
    configured: diskimage !== undefined,
    ...(next === null ? {} : { nextBuildTime: timestampOf(next) }),
    missingUploads: Object.fromEntries(missing),
  });
}

/** A request is being served by a build that began after it. */
function requestState(entry: ImageEntry | undefined): Image_BuildRequest {
  const request = entry?.buildRequest ?? null;
  if (entry === undefined || request === null) return Image_BuildRequest.BUILD_REQUEST_UNSPECIFIED;
  const served =
    entry.lock.contenders.length > 0 &&
    entry.builds.some(({ record, createdAt }) => record?.state === "building" && createdAt >= request.time);
  return served ? Image_BuildRequest.BUILD_REQUEST_BUILDING : Image_BuildRequest.BUILD_REQUEST_PENDING;
}

function toPhases(phases: readonly Phase[]): { name: string; startTime: Date | undefined }[] {
  return phases.map(({ name, startedAt }) => ({ name, startTime: timestampOf(startedAt) }));
}

const RESULT: Readonly<Record<Attempt["result"], BuildAttempt_Result>> = {
  building: BuildAttempt_Result.RESULT_BUILDING,
  ready: BuildAttempt_Result.RESULT_READY,
  failed: BuildAttempt_Result.RESULT_FAILED,
};

/** @param entry the image as it is: a build that it does not know as running was interrupted */
export function toAttempt(image: string, attempt: Attempt, entry: ImageEntry | undefined): BuildAttempt {
  const { build, startedAt, endedAt, exitCode } = attempt;
  const runs = entry?.builds.some((each) => each.build === build && each.record?.state === "building");
  const interrupted = attempt.result === "building" && runs !== true;
  return BuildAttempt.fromPartial({
    name: formatName(BUILD_NAME, { image, build }),
    result: interrupted ? BuildAttempt_Result.RESULT_INTERRUPTED : RESULT[attempt.result],
    reason: attempt.reason,
    error: attempt.error ?? (interrupted ? "its builder went away in the middle of it" : ""),
    ...(exitCode === null ? {} : { exitCode: int32Of(exitCode) }),
    builder: attempt.builder,
    startTime: timestampOf(startedAt),
    ...(endedAt === null ? {} : { endTime: timestampOf(endedAt) }),
    formats: [...attempt.formats],
    sizes: attempt.sizes,
    phases: toPhases(attempt.phases),
  });
}

/** @param phases those that the build has come to, when it runs here */
export function toBuild(entry: BuildEntry, phases: readonly Phase[] | undefined): Build {
  const { image, build, record } = entry;
  const name = formatName(BUILD_NAME, { image, build });
  if (record === null) return Build.fromPartial({ name });
  return Build.fromPartial({
    name,
    state: BUILD_STATE[record.state],
    builder: record.builder ?? "",
    formats: formatsOf(record),
    stateTime: timestampOf(record.stateTime),
    progress: phases?.at(-1)?.name ?? "",
    phases: toPhases(phases ?? []),
    error: record.error ?? "",
  });
}

export function toUpload(entry: UploadEntry): Upload {
  const { image, build, provider, upload, record } = entry;
  const name = formatName(UPLOAD_NAME, { image, build, provider, upload });
  if (record === null) return Upload.fromPartial({ name });
  return Upload.fromPartial({
    name,
    state: UPLOAD_STATE[record.state],
    externalId: record.externalId ?? "",
    externalName: record.externalName ?? "",
    format: record.format ?? "",
    stateTime: timestampOf(record.stateTime),
    error: record.error ?? "",
  });
}

const ACTION: Readonly<Record<string, ImageDecision_Action>> = {
  build: ImageDecision_Action.ACTION_BUILD,
  upload: ImageDecision_Action.ACTION_UPLOAD,
  "delete-upload": ImageDecision_Action.ACTION_DELETE_UPLOAD,
  "delete-build": ImageDecision_Action.ACTION_DELETE_BUILD,
  files: ImageDecision_Action.ACTION_DELETE_FILES,
};

export function toDecision(decision: Decision): ImageDecision {
  const { kind, image, build, provider, upload } = partsOfKey(decision.key);
  const waits = decision.kind === "waiting" ? decision : null;
  const hasBuild = build !== "" && build !== "-";
  return ImageDecision.fromPartial({
    action: ACTION[kind] ?? ImageDecision_Action.ACTION_UNSPECIFIED,
    acting: waits === null || waits.rule === "running",
    subject:
      upload !== ""
        ? formatName(UPLOAD_NAME, { image, build, provider, upload })
        : hasBuild
          ? formatName(BUILD_NAME, { image, build })
          : formatName(IMAGE_NAME, { image }),
    provider,
    rule: waits === null || waits.rule === "running" ? "" : waits.rule,
    reason: decision.reason,
    ...(waits === null || waits.next === null ? {} : { nextTime: timestampOf(waits.next) }),
  });
}

/** Sorts by age as a string: ten digits of seconds and six of the fraction. @param time seconds since the epoch */
export function ageKey(time: number): string {
  return time.toFixed(6).padStart(17, "0");
}
