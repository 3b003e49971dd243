import type { CallContext } from "nice-grpc-common";
import {
  ImageServiceDefinition,
  type ImageServiceImplementation,
} from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { type RpcService, rpcService } from "../../../lib/rpc/service.ts";
import type { ImageApi } from "./api.ts";
import { buildImage } from "./build_image.ts";
import { cancelBuild } from "./cancel_build.ts";
import { deleteBuild } from "./delete_build.ts";
import { deleteUpload } from "./delete_upload.ts";
import { explainImage } from "./explain_image.ts";
import { exportImageData } from "./export_image_data.ts";
import { importImageData } from "./import_image_data.ts";
import { listBuildHistory } from "./list_build_history.ts";
import { listBuilds } from "./list_builds.ts";
import { listImages } from "./list_images.ts";
import { listUploads } from "./list_uploads.ts";
import { pauseImage } from "./pause_image.ts";
import { resumeImage } from "./resume_image.ts";
import { watchBuildLog } from "./watch_build_log.ts";
import { ImageFeed } from "./watch_images.ts";

/** ImageService; `close` ends its watches. */
export function imageService(api: ImageApi): {
  readonly rpc: RpcService;
  readonly implementation: ImageServiceImplementation;
  close(): void;
} {
  const feed = new ImageFeed(api);
  const closing = new AbortController();
  const until = ({ signal }: CallContext) => AbortSignal.any([signal, closing.signal]);
  const implementation: ImageServiceImplementation = {
    listImages: async () => listImages(api),
    buildImage: (request) => buildImage(api, request),
    pauseImage: (request) => pauseImage(api, request),
    resumeImage: (request) => resumeImage(api, request),
    listBuilds: async (request) => listBuilds(api, request),
    listBuildHistory: (request) => listBuildHistory(api, request),
    deleteBuild: (request) => deleteBuild(api, request),
    cancelBuild: (request) => cancelBuild(api, request),
    explainImage: async (request) => explainImage(api, request),
    watchBuildLog: (request, context) => watchBuildLog(api, request, until(context)),
    listUploads: async (request) => listUploads(api, request),
    deleteUpload: (request) => deleteUpload(api, request),
    exportImageData: (_request, context) => exportImageData(api, until(context)),
    importImageData: (request, { signal }) => importImageData(api, request, signal),
    watchImages: (request, context) => feed.watch(request, context.signal),
  };
  const close = () => {
    closing.abort();
    feed.close();
  };
  return { rpc: rpcService(ImageServiceDefinition, implementation), implementation, close };
}
