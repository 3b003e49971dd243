import type {
  ListBuildHistoryRequest,
  ListBuildHistoryResponse,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { paginate } from "../../../lib/rpc/page.ts";
import { readHistory } from "../history.ts";
import type { ImageApi } from "./api.ts";
import { ageKey, toAttempt } from "./convert.ts";
import { imagesOf } from "./list_builds.ts";

/** Later than any time that is asked about, in seconds: what is subtracted from it sorts the newest first. */
const END_OF_TIME = 9_999_999_999;

/** What became of builds. It is read when it is asked for: nobody keeps a copy. */
export async function listBuildHistory(
  api: ImageApi,
  request: ListBuildHistoryRequest,
): Promise<ListBuildHistoryResponse> {
  const { session, view } = api.context;
  const found = await Promise.all(
    imagesOf(api, request.parent).map(async (image) => {
      const { attempts } = await readHistory(session, image);
      return attempts.map((attempt) => ({ image, attempt }));
    }),
  );
  const { page, nextPageToken } = paginate(
    `${request.parent}/history`,
    found.flat(),
    ({ image, attempt }) => `${image}/${ageKey(END_OF_TIME - attempt.startedAt)}/${attempt.build}`,
    ({ image, attempt }) => toAttempt(image, attempt, view.image(image)),
    request,
  );
  return { attempts: page, nextPageToken };
}
