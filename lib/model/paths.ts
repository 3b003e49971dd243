// Nodepool's znode paths, and what a path in the tree stands for.

/** The root of everything; a chroot is put before it by the session. */
export const ROOT = "/nodepool";
export const NODES = `${ROOT}/nodes`;
export const REQUESTS = `${ROOT}/requests`;
export const REQUEST_LOCKS = `${ROOT}/requests-lock`;
export const IMAGES = `${ROOT}/images`;
export const COMPONENTS = `${ROOT}/components`;

/** Ours: marks by which launchers that race for room notice each other. Nodepool and Zuul do not look there. */
export const CLAIMS = `${ROOT}/claims`;

/** Ours: which launcher keeps the hosts of a static provider. */
export const HOSTS = `${ROOT}/hosts`;

export const hostsLockPath = (provider: string) => `${HOSTS}/${encodeURIComponent(provider)}/lock`;
export const claimScopePath = (scope: string) => `${CLAIMS}/${scope}`;
export const claimMarkPath = (scope: string, mark: string) => `${CLAIMS}/${scope}/${mark}`;
export const nodePath = (node: string) => `${NODES}/${node}`;
export const nodeLockPath = (node: string) => `${NODES}/${node}/lock`;
export const requestPath = (request: string) => `${REQUESTS}/${request}`;
export const requestLockPath = (request: string) => `${REQUEST_LOCKS}/${request}`;
export const componentsPath = (kind: string) => `${COMPONENTS}/${kind}`;
export const imagePath = (image: string) => `${IMAGES}/${image}`;
export const imagePausePath = (image: string) => `${IMAGES}/${image}/pause`;
export const buildRequestPath = (image: string) => `${IMAGES}/${image}/request-build`;
/** What became of an image's builds: ours, Nodepool has nothing there. */
export const imageHistoryPath = (image: string) => `${IMAGES}/${image}/history`;
export const buildsPath = (image: string) => `${IMAGES}/${image}/builds`;
export const buildsLockPath = (image: string) => `${IMAGES}/${image}/builds/lock`;
export const buildPath = (image: string, build: string) => `${IMAGES}/${image}/builds/${build}`;
export const buildLockPath = (image: string, build: string) => `${buildPath(image, build)}/lock`;
export const uploadsPath = (image: string, build: string, provider: string) =>
  `${buildPath(image, build)}/providers/${provider}/images`;
export const uploadsLockPath = (image: string, build: string, provider: string) =>
  `${uploadsPath(image, build, provider)}/lock`;
export const uploadPath = (image: string, build: string, provider: string, upload: string) =>
  `${uploadsPath(image, build, provider)}/${upload}`;
export const uploadLockPath = (image: string, build: string, provider: string, upload: string) =>
  `${uploadPath(image, build, provider, upload)}/lock`;

/** What a znode below the root stands for. Lock roots and implicit parents are `other`. */
export type PathMeaning =
  | { kind: "node"; node: string }
  | { kind: "node-contender"; node: string; contender: string }
  | { kind: "request"; request: string }
  | { kind: "request-contender"; request: string; contender: string }
  | { kind: "image"; image: string }
  | { kind: "image-pause"; image: string }
  | { kind: "build-request"; image: string }
  | { kind: "build"; image: string; build: string }
  | { kind: "upload"; image: string; build: string; provider: string; upload: string }
  | { kind: "component"; component: string; id: string }
  | { kind: "claim-mark"; scope: string; mark: string }
  | { kind: "other" };

const OTHER: PathMeaning = { kind: "other" };

/** Tells what a path stands for. */
export const meaningOf = (path: string): PathMeaning => meaningOfParts(path.split("/"));

/** The same of a path that is taken apart at its slashes already. */
export function meaningOfParts([empty, root, family, ...parts]: readonly string[]): PathMeaning {
  if (empty !== "" || root !== "nodepool") return OTHER;
  const [first, second, third] = parts;
  if (first === undefined) return OTHER;
  switch (family) {
    case "nodes":
      if (parts.length === 1) return { kind: "node", node: first };
      return second === "lock" && third !== undefined && parts.length === 3
        ? { kind: "node-contender", node: first, contender: third }
        : OTHER;
    case "requests":
      return parts.length === 1 ? { kind: "request", request: first } : OTHER;
    case "requests-lock":
      return second !== undefined && parts.length === 2
        ? { kind: "request-contender", request: first, contender: second }
        : OTHER;
    case "components":
      return second !== undefined && parts.length === 2
        ? { kind: "component", component: first, id: second }
        : OTHER;
    case "claims":
      return second !== undefined && parts.length === 2
        ? { kind: "claim-mark", scope: first, mark: second }
        : OTHER;
    case "images":
      return imageMeaning(first, parts.slice(1));
    default:
      return OTHER;
  }
}

function imageMeaning(image: string, parts: readonly string[]): PathMeaning {
  const [family, build, providers, provider, images, upload] = parts;
  if (family === undefined) return { kind: "image", image };
  if (parts.at(-1) === "lock") return OTHER;
  if (parts.length === 1 && family === "pause") return { kind: "image-pause", image };
  if (parts.length === 1 && family === "request-build") return { kind: "build-request", image };
  if (family !== "builds" || build === undefined) return OTHER;
  if (parts.length === 2) return { kind: "build", image, build };
  if (parts.length !== 6 || providers !== "providers" || images !== "images") return OTHER;
  if (provider === undefined || upload === undefined) return OTHER;
  return { kind: "upload", image, build, provider, upload };
}

const CONTENDER = /__lock__(-?\d{10})$/;

/** The sequence number of a lock contender's name (kazoo's `<uuid>__lock__<sequence>`), or undefined. */
export function contenderSequence(name: string): number | undefined {
  const match = CONTENDER.exec(name);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** Contenders in the order in which they get the lock; other children are left out. */
export function orderContenders(children: readonly string[]): string[] {
  return children
    .filter((name) => contenderSequence(name) !== undefined)
    .sort((a, b) => (contenderSequence(a) ?? 0) - (contenderSequence(b) ?? 0));
}
