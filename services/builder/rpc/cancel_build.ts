import { decodeBuild, encodeBuild } from "../../../lib/model/image.ts";
import { buildPath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { CancelBuildRequest, CancelBuildResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { seconds } from "../../../lib/std/clock.ts";
import { deletingBuild } from "../cleanup.ts";
import { type ImageApi, requireBuild, rewrite } from "./api.ts";
import { BUILD_NAME, toBuild } from "./convert.ts";

/** Ends a running build: its builder sees that the record was condemned. Asking again changes nothing. */
export async function cancelBuild(api: ImageApi, { name }: CancelBuildRequest): Promise<CancelBuildResponse> {
  const { image, build } = parseName(BUILD_NAME, name);
  const entry = requireBuild(api, image, build, name);
  const { session, clock, view } = api.context;
  const znode = { path: buildPath(image, build), kind: "build", name };
  const form = { decode: decodeBuild, encode: encodeBuild };
  const record = await rewrite(session, znode, form, (record) => {
    if (record.state === "deleting") return null;
    if (record.state !== "building") {
      const message = `build ${build} of ${image} has ended: delete it, if it is not wanted`;
      throw failedPrecondition("BUILD_ENDED", message, { name });
    }
    return deletingBuild(record, seconds(clock));
  });
  await view.settled();
  // Not as the view has it: it may be gone by now.
  return { build: toBuild({ ...entry, record }, api.board.phases(build)) };
}
