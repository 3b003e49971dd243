// What the screen knows: folded from the events of the API's own watches. Pure.
import {
  type Build,
  Build_State,
  type Upload,
  Upload_State,
  type WatchImagesResponse,
} from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { type Node, Node_State, type WatchNodesResponse } from "../../lib/rpc/gen/nodepool/v1/node.ts";

/** The images, builds, uploads and nodes as the watches have told them, by resource name. */
export interface Progress {
  readonly images: ReadonlyMap<string, { readonly reason: string; readonly lastError: string }>;
  readonly builds: ReadonlyMap<string, Build>;
  readonly uploads: ReadonlyMap<string, Upload>;
  readonly nodes: ReadonlyMap<string, Node>;
}

/** Nothing known yet. */
export const NO_PROGRESS: Progress = {
  images: new Map(),
  builds: new Map(),
  uploads: new Map(),
  nodes: new Map(),
};

function put<T>(map: ReadonlyMap<string, T>, name: string, value: T): Map<string, T> {
  return new Map(map).set(name, value);
}

function drop<T>(map: ReadonlyMap<string, T>, name: string): Map<string, T> {
  const copy = new Map(map);
  copy.delete(name);
  return copy;
}

/** The progress after one event of WatchImages. */
export function afterImageEvent(progress: Progress, { event }: WatchImagesResponse): Progress {
  switch (event?.$case) {
    case "image":
      return { ...progress, images: put(progress.images, event.value.name, event.value) };
    case "build":
      return { ...progress, builds: put(progress.builds, event.value.name, event.value) };
    case "upload":
      return { ...progress, uploads: put(progress.uploads, event.value.name, event.value) };
    case "deleted":
      return {
        ...progress,
        images: drop(progress.images, event.value),
        builds: drop(progress.builds, event.value),
        uploads: drop(progress.uploads, event.value),
      };
    default:
      return progress;
  }
}

/** The progress after one event of WatchNodes. */
export function afterNodeEvent(progress: Progress, { event }: WatchNodesResponse): Progress {
  switch (event?.$case) {
    case "upserted":
      return { ...progress, nodes: put(progress.nodes, event.value.name, event.value) };
    case "deleted":
      return { ...progress, nodes: drop(progress.nodes, event.value) };
    default:
      return progress;
  }
}

/** Labels of which fewer nodes are ready than wanted. `wanted` maps each label to its min-ready. */
export function labelsShort(progress: Progress, wanted: ReadonlyMap<string, number>): string[] {
  const ready = new Map<string, number>();
  for (const node of progress.nodes.values()) {
    if (node.state !== Node_State.STATE_READY) continue;
    for (const label of node.labels) ready.set(label, (ready.get(label) ?? 0) + 1);
  }
  return [...wanted].filter(([label, count]) => (ready.get(label) ?? 0) < count).map(([label]) => label);
}

/** Names of the nodes that are ready, oldest first. */
export function readyNodes(progress: Progress): string[] {
  const ready = [...progress.nodes.values()].filter(({ state }) => state === Node_State.STATE_READY);
  return ready.map(({ name }) => name).sort();
}

const word = (state: string) =>
  state
    .replace(/^STATE_/, "")
    .toLowerCase()
    .replaceAll("_", "-");
const idOf = (name: string) => name.slice(name.lastIndexOf("/") + 1);

/** The builds, uploads and nodes in hand, one line each, in words. */
export function progressLines(progress: Progress): string[] {
  const lines: string[] = [];
  for (const [name, image] of [...progress.images].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const builds = [...progress.builds.values()].filter((build) => build.name.startsWith(`${name}/`));
    lines.push(`image ${idOf(name)}  ${builds.length === 0 ? image.reason : ""}`.trimEnd());
    if (image.lastError !== "") lines.push(`  problem: ${image.lastError}`);
    for (const build of builds) lines.push(`  build ${shortId(build.name)}  ${buildText(build)}`);
    for (const upload of progress.uploads.values()) {
      if (upload.name.startsWith(`${name}/`)) lines.push(`  upload to ${uploadText(upload)}`);
    }
  }
  for (const node of [...progress.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    lines.push(nodeText(node));
  }
  return lines;
}

/** Enough of a build's 32 hex digits to tell builds apart by eye. */
const shortId = (name: string) => idOf(name).slice(0, 8);

function buildText(build: Build): string {
  const detail = build.state === Build_State.STATE_BUILDING ? build.progress : build.formats.join(", ");
  return `${word(build.state)}  ${detail}`.trimEnd();
}

function uploadText(upload: Upload): string {
  const provider = upload.name.split("/")[5] ?? "";
  const where = upload.state === Upload_State.STATE_READY ? `as ${upload.externalName}` : "";
  return `${provider}  ${word(upload.state)}  ${where}`.trimEnd();
}

function nodeText(node: Node): string {
  const address = node.interfaceIp === "" ? "" : `${node.interfaceIp}:${node.connectionPort}`;
  const keys = node.hostKeys.length > 0 ? `${node.hostKeys.length} host keys` : "";
  return ["node", idOf(node.name), node.labels.join(","), word(node.state), address, keys]
    .filter((part) => part !== "")
    .join("  ");
}
