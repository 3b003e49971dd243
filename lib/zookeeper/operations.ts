// The writes of Nodepool's documents that are made in more than one place or together with others, as steps for one
// transaction. Pure: nothing is sent here.
import { type BuildRecord, encodeBuild, encodeUpload, type UploadRecord } from "../model/image.ts";
import { encodeNode, type NodeRecord } from "../model/node.ts";
import {
  buildPath,
  buildRequestPath,
  NODES,
  nodePath,
  REQUESTS,
  requestPath,
  uploadsPath,
} from "../model/paths.ts";
import { encodeRequest, type RequestRecord } from "../model/request.ts";
import type { CreateMode, Operation } from "./types.ts";

type Create = Operation & { readonly kind: "create" };
type Set = Operation & { readonly kind: "set" };
type Delete = Operation & { readonly kind: "delete" };

const create = (path: string, data: Uint8Array, mode: CreateMode = "persistent"): Create => {
  return { kind: "create", path, data, mode };
};
const set = (path: string, data: Uint8Array, version: number): Set => ({ kind: "set", path, data, version });

/** A new node; its id is the last part of the path in the result. */
export const createNode = (record: NodeRecord): Create => {
  return create(`${NODES}/`, encodeNode(record), "persistent-sequential");
};
export const setNode = (node: string, record: NodeRecord, version: number): Set =>
  set(nodePath(node), encodeNode(record), version);

/**
 * A new request; its id is the last part of the path in the result.
 *
 * @param priority 0 to 999; lower is served first
 * @param options.ephemeral it goes with its requestor's session. @default false
 */
export const createRequest = (
  priority: number,
  record: RequestRecord,
  { ephemeral = false }: { ephemeral?: boolean } = {},
): Create => {
  const mode = ephemeral ? "ephemeral-sequential" : "persistent-sequential";
  return create(`${REQUESTS}/${String(priority).padStart(3, "0")}-`, encodeRequest(record), mode);
};
export const setRequest = (request: string, record: RequestRecord, version: number): Set =>
  set(requestPath(request), encodeRequest(record), version);

export const createBuild = (image: string, build: string, record: BuildRecord): Create =>
  create(buildPath(image, build), encodeBuild(record));

/** A new upload; its number is the last part of the path in the result. */
export const createUpload = (
  image: string,
  build: string,
  provider: string,
  record: UploadRecord,
): Create => {
  return create(`${uploadsPath(image, build, provider)}/`, encodeUpload(record), "persistent-sequential");
};

/** Takes back the mark that asks for a build. */
export const deleteBuildRequest = (image: string): Delete => ({
  kind: "delete",
  path: buildRequestPath(image),
  version: -1,
});
