import { decodeBuild, encodeBuild } from "../../../lib/model/image.ts";
import { buildPath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import {
  Build_State,
  type CancelBuildRequest,
  type CancelBuildResponse,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
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
  await rewrite(session, { path: buildPath(image, build), kind: "build", name }, decodeBuild, (record) => {
    if (record.state === "deleting") return null;
    if (record.state !== "building") {
      const message = `build ${build} of ${image} has ended: delete it, if it is not wanted`;
      throw failedPrecondition("BUILD_ENDED", message, { name });
    }
    return encodeBuild(deletingBuild(record, seconds(clock)));
  });
  await view.settled();
  return { build: { ...toBuild(entry, api.board.phases(build)), state: Build_State.STATE_DELETING } };
}
