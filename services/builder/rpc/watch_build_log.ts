import { failedPrecondition, notFound } from "../../../lib/rpc/errors.ts";
import type { WatchBuildLogRequest, WatchBuildLogResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { withHeartbeat } from "../../../lib/rpc/heartbeat.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { currentView, type ImageApi } from "./api.ts";
import { BUILD_NAME } from "./convert.ts";

/** The log of a build from its beginning to its end; also that of a build which is deleted by now. */
export async function* watchBuildLog(
  api: ImageApi,
  { name }: WatchBuildLogRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchBuildLogResponse, void, void> {
  const { image, build } = parseName(BUILD_NAME, name);
  if (!(await api.logs.has(image, build))) throw missing(api, image, build, name);
  // Whoever does not wait for the end has to know when to begin to count: a build may say nothing for long.
  yield { text: "" };
  const pieces = withHeartbeat((until) => api.logs.follow(image, build, until), {
    beat: "",
    clock: api.context.clock,
    signal,
  });
  for await (const text of pieces) yield { text };
}

function missing(api: ImageApi, image: string, build: string, name: string) {
  const entry = currentView(api)
    .image(image)
    ?.builds.find((candidate) => candidate.build === build);
  if (entry === undefined) return notFound("build", name);
  const { hostname } = api.context;
  const builder = entry.record?.builder ?? "another builder";
  if (entry.record !== null && entry.record.builderId !== api.builderId) {
    const message = `the log of build ${build} is at builder ${builder}, not at ${hostname}: ask there`;
    return failedPrecondition("LOG_ELSEWHERE", message, { name, builder });
  }
  const message = `build ${build} has no log in ${api.logs.folder}: it was pruned, or the build has not begun`;
  return failedPrecondition("NO_LOG", message, { name });
}
