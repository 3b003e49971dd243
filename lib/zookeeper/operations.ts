// The writes that Nodepool's documents need, as steps for one transaction. Pure: nothing is sent here.
import { type ComponentRecord, encodeComponent, encodePool, type PoolRecord } from "../model/component.ts";
import { type BuildRecord, encodeBuild, encodeUpload, type UploadRecord } from "../model/image.ts";
import { encodeNode, type NodeRecord } from "../model/node.ts";
import {
  buildPath,
  buildRequestPath,
  componentsPath,
  imagePausePath,
  NODES,
  nodePath,
  REQUESTS,
  requestPath,
  uploadPath,
  uploadsPath,
} from "../model/paths.ts";
import { encodeRequest, type RequestRecord } from "../model/request.ts";
import type { CreateMode, Operation } from "./types.ts";

const NOTHING = new Uint8Array();

type Create = Operation & { readonly kind: "create" };
type Set = Operation & { readonly kind: "set" };
type Delete = Operation & { readonly kind: "delete" };

const create = (path: string, data: Uint8Array, mode: CreateMode = "persistent"): Create => {
  return { kind: "create", path, data, mode };
};
const set = (path: string, data: Uint8Array, version: number): Set => ({ kind: "set", path, data, version });
const remove = (path: string, version: number): Delete => ({ kind: "delete", path, version });

/** A new node; its id is the last part of the path in the result. */
export const createNode = (record: NodeRecord): Create => {
  return create(`${NODES}/`, encodeNode(record), "persistent-sequential");
};
export const setNode = (node: string, record: NodeRecord, version: number): Set =>
  set(nodePath(node), encodeNode(record), version);
export const deleteNode = (node: string, version = -1): Delete => remove(nodePath(node), version);

/** A new request with a priority of three digits, as `100`; ephemeral ones go with their requestor's session. */
export const createRequest = (
  priority: string,
  record: RequestRecord,
  { ephemeral = false }: { ephemeral?: boolean } = {},
): Create => {
  const mode = ephemeral ? "ephemeral-sequential" : "persistent-sequential";
  return create(`${REQUESTS}/${priority}-`, encodeRequest(record), mode);
};
export const setRequest = (request: string, record: RequestRecord, version: number): Set =>
  set(requestPath(request), encodeRequest(record), version);

export const createBuild = (image: string, build: string, record: BuildRecord): Create =>
  create(buildPath(image, build), encodeBuild(record));
export const setBuild = (image: string, build: string, record: BuildRecord, version: number): Set =>
  set(buildPath(image, build), encodeBuild(record), version);
export const deleteBuild = (image: string, build: string, version = -1): Delete =>
  remove(buildPath(image, build), version);

/** A new upload; its number is the last part of the path in the result. */
export const createUpload = (
  image: string,
  build: string,
  provider: string,
  record: UploadRecord,
): Create => {
  return create(`${uploadsPath(image, build, provider)}/`, encodeUpload(record), "persistent-sequential");
};
export const setUpload = (
  image: string,
  build: string,
  provider: string,
  upload: string,
  record: UploadRecord,
  version: number,
): Set => set(uploadPath(image, build, provider, upload), encodeUpload(record), version);
export const deleteUpload = (
  image: string,
  build: string,
  provider: string,
  upload: string,
  version = -1,
): Delete => remove(uploadPath(image, build, provider, upload), version);

/** The mark that keeps an image from being built. The image's znode must exist. */
export const createPause = (image: string): Create => create(imagePausePath(image), NOTHING);
/** The mark that asks for a build; `data` is for us, Nodepool only looks whether it exists. */
export const createBuildRequest = (image: string, data: Uint8Array = NOTHING): Create =>
  create(buildRequestPath(image), data);
export const deleteBuildRequest = (image: string): Delete => remove(buildRequestPath(image), -1);

/** What a builder or launcher says of itself, for as long as its session lives. */
export const createComponent = (record: ComponentRecord): Create => {
  const path = `${componentsPath(record.kind)}/${record.hostname ?? ""}`;
  return create(path, encodeComponent(record), "ephemeral-sequential");
};
/** What a launcher says of one of its pools. */
export const createPool = (record: PoolRecord): Create => {
  return create(
    `${componentsPath("pool")}/${record.hostname ?? ""}`,
    encodePool(record),
    "ephemeral-sequential",
  );
};
