import {
  type ExplainImageRequest,
  type ExplainImageResponse,
  ImageDecision_Action,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { currentView, type ImageApi, requireImage } from "./api.ts";
import { IMAGE_NAME, toDecision, toImage } from "./convert.ts";

const ORDER = [
  ImageDecision_Action.ACTION_BUILD,
  ImageDecision_Action.ACTION_UPLOAD,
  ImageDecision_Action.ACTION_DELETE_UPLOAD,
  ImageDecision_Action.ACTION_DELETE_BUILD,
  ImageDecision_Action.ACTION_DELETE_FILES,
];

/** All that was decided on an image here. */
export function explainImage(api: ImageApi, { name }: ExplainImageRequest): ExplainImageResponse {
  const { image } = parseName(IMAGE_NAME, name);
  currentView(api);
  const decisions = api.board.decisions(image).map(toDecision);
  const inOrder = ORDER.flatMap((wanted) => decisions.filter(({ action }) => action === wanted));
  return { image: toImage(requireImage(api, image)), decisions: inOrder };
}
