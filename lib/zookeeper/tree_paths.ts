// What the view needs to know of a path beyond what it stands for: whether it has to be read, and whose it is.
import { contenderSequence, meaningOfParts, type PathMeaning, REQUEST_LOCKS } from "../model/paths.ts";
import type { ViewChange } from "./view.ts";

/** What the view does with a znode. */
export type Role =
  /** Its data or its times matter: it has to be read. */
  | "read"
  /** It only holds others. */
  | "folder"
  /** Its existence says everything, and nothing is below it. */
  | "leaf";

/** What there is to know of a path below /nodepool. */
export interface Place {
  readonly meaning: PathMeaning;
  readonly role: Role;
  /** Whose change a change of it is. */
  readonly owner: ViewChange | undefined;
  /** The root of the lock that it is, or is a contender of. */
  readonly lockRoot: string | undefined;
}

/** Something happens to each path several times in its short life, so those of late are kept. */
const PLACES = new Map<string, Place>();
const MOST_PLACES = 4096;

/** Tells what a path is. */
export function placeOf(path: string): Place {
  const known = PLACES.get(path);
  if (known !== undefined) return known;
  const parts = path.split("/");
  const meaning = meaningOfParts(parts);
  const lockRoot = isLockRoot(parts) ? path : lockOfContender(path, parts);
  const place = { meaning, role: roleOf(path, meaning, lockRoot), owner: ownerOf(parts), lockRoot };
  if (PLACES.size === MOST_PLACES) PLACES.clear();
  PLACES.set(path, place);
  return place;
}

function roleOf(path: string, meaning: PathMeaning, lockRoot: string | undefined): Role {
  switch (meaning.kind) {
    case "node":
    case "request":
    case "build-request":
    case "build":
    case "upload":
    case "component":
      return "read";
    case "image-pause":
    case "node-contender":
    case "request-contender":
    case "claim-mark":
      return "leaf";
    default:
      if (path.startsWith(`${REQUEST_LOCKS}/`)) return "read";
      return lockRoot === undefined || lockRoot === path ? "folder" : "leaf";
  }
}

/** The lock root that a path is a contender of. */
function lockOfContender(path: string, parts: readonly string[]): string | undefined {
  const name = parts.at(-1) ?? "";
  if (contenderSequence(name) === undefined || !isLockRoot(parts.slice(0, -1))) return undefined;
  return path.slice(0, -name.length - 1);
}

/** Whether a path is a lock's root; its parts begin with those of the tree's root. */
function isLockRoot(parts: readonly string[]): boolean {
  const family = parts[2];
  if (family === "requests-lock") return parts.length === 4;
  if (parts.at(-1) !== "lock") return false;
  return family === "nodes" ? parts.length === 5 : family === "images" && parts.length > 5;
}

const COMPONENTS: ReadonlySet<string> = new Set(["builder", "launcher", "pool"]);

function ownerOf([, root, family, first, second]: readonly string[]): ViewChange | undefined {
  if (root !== "nodepool" || first === undefined) return undefined;
  switch (family) {
    case "nodes":
      return { kind: "node", id: first };
    case "requests":
    case "requests-lock":
      return { kind: "request", id: first };
    case "images":
      return { kind: "image", id: first };
    case "components":
      return COMPONENTS.has(first) && second !== undefined ? { kind: "component", id: second } : undefined;
    default:
      return undefined;
  }
}
